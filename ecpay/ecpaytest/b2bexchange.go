package ecpaytest

import "slices"

// turn is what one side of an exchange does about what the other side did. The rules are documented, as is that most of the
// turns are not there in archive mode; every code but 1 and 6070004 is unknown. A turn that is repeated has its effect
// again and answers a code nobody knows.
type turn struct {
	effect         string
	notBy          string   // the side that may not
	notByCanceller bool     // nor the side that has cancelled the allowance
	from           []string // the states before it
	to             string   // the state after it
	reasoned       bool     // it has a Reason
	archive        bool     // it is there in archive mode, too
	notAwaited     int      // the code for another state, or the wrong side
	repeated       int      // the code for the second time
}

// takeTurn reads the fields that all turns about an invoice share, and takes it: the deed is what was not done before.
func (s *Server) takeTurn(r request, t turn, not func(*b2bInvoice) *deed) answer {
	key := r.data.invoiceKey()
	done, a, ok := s.readTurn(r, t)
	if !ok {
		return a
	}
	view := r.merchant.invoices[key]
	if view == nil {
		return refuse(CodeNoSuchInvoice)
	}
	i := view.invoice
	return s.take(r, t, view.side, i.InvoiceNumber, &i.state, func() { *not(i) = done })
}

// readTurn reads what is common to turns about invoices and allowances.
func (s *Server) readTurn(r request, t turn) (done deed, a answer, ok bool) {
	done.at = r.at
	if t.reasoned {
		done.reason = r.data.required("Reason", 20)
	}
	done.remark = r.data.optional("Remark", 200)
	if a, ok := s.checked(r.data); !ok {
		return deed{}, a, false
	}
	if r.merchant.Archive && !t.archive {
		return deed{}, refuse(CodeConfirmArchiveMode), false
	}
	return done, answer{}, true
}

// take takes a turn about what is in the given state, if it is the side's. Done is called when it was not done before.
func (s *Server) take(r request, t turn, side, subject string, state *string, done func()) answer {
	repeated := *state == t.to
	switch {
	case t.notBy != "" && side == t.notBy || !repeated && !slices.Contains(t.from, *state):
		return refuse(t.notAwaited)
	case repeated && s.cfg.RefuseRepeats:
		return refuse(t.repeated)
	}
	s.effect(r.at, t.effect, r.merchant, subject, r.seq, "")
	if repeated {
		return refuse(t.repeated)
	}
	*state = t.to
	done()
	return answer{code: CodeOK}
}
