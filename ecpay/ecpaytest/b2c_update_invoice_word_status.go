package ecpaytest

var opB2CUpdateInvoiceWordStatus = operation{
	name: "UpdateInvoiceWordStatus", category: "B2C", write: true, subject: []string{"TrackID"},
	run: (*Server).b2cUpdateInvoiceWordStatus,
}

// b2cUpdateInvoiceWordStatus is B2C UpdateInvoiceWordStatus. Documented: InvoiceStatus 0 stops, 1 pauses, 2 enables. Recorded: 7
// for an unknown TrackID.
func (s *Server) b2cUpdateInvoiceWordStatus(r request) answer {
	id, status := r.data.required("TrackID", 20), r.data.number("InvoiceStatus", 0, 2)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	for _, t := range r.merchant.tracks {
		if t.id == id {
			t.status = map[string]string{"0": wordStopped, "1": wordPaused, "2": wordInUse}[status]
			s.effect(r.at, EffectWordStatus, r.merchant, id, r.seq, status)
			return answer{code: CodeOK, msg: "設定成功"}
		}
	}
	return refuse(CodeNothing)
}
