package ecpaytest

import (
	"fmt"
	"math"
)

var _ = endpoint(operation{
	name: "Allowance", category: "B2B", write: true, subject: []string{"Details.OriginalInvoiceNumber"},
	run:     (*Server).b2bAllowance,
	another: func(o *another) { o.invoice.IssueConfirmed, o.invoice.SalesAmount = true, math.MaxInt32 },
})

// allowanceLine is one line of an allowance.
type allowanceLine struct {
	invoice       *b2bInvoice
	key           invoiceKey
	sequence      int
	name          string
	count, price  float64
	amount, taxes float64
}

// b2bAllowance is B2B Allowance, by the seller alone (documented). Each call makes one, and the same call another: it has no unique
// key (documented). Documented for a sibling product: AllowanceDate is of the last 6 days, and in exchange mode the issue has to be
// confirmed first. Recorded for B2C: the codes for an invoice that is voided, or of which less is left. All other codes are our
// choice, as is that what it takes from the invoice comes back when its cancel is final.
func (s *Server) b2bAllowance(r request) answer {
	f := r.data
	date := dateIn(s.calendar(r.at))
	if at := f.optional("AllowanceDate", 20); at != "" {
		date = dateIn(f.recent("AllowanceDate", at, s.calendar(r.at)))
	}
	f.optional("CustomerEmail", 80)
	f.optional("CustomerAddress", 100)
	f.optional("Reason", 20)
	lines, sum := s.allowanceLines(f)
	total, tax := f.wholeAmount("TotalAmount"), f.wholeAmount("TaxAmount")
	if a, ok := s.checked(f); !ok {
		return a
	}
	if int(math.Round(sum)) != total || total == 0 {
		return refuse(CodeAmountMismatch)
	}
	side, a := r.merchant.allows(lines)
	if a.code != CodeOK {
		return a
	}
	s.allowances++
	first := lines[0].invoice
	al := &b2bAllowance{state: stateUnconfirmed, lines: lines, Allowance: Allowance{
		MerchantID:    r.merchant.MerchantID,
		AllowanceNo:   s.calendar(r.at).In(taipei).Format("060102150405") + fmt.Sprintf("%04d", s.allowances%10000),
		AllowanceDate: date, SellerIdentifier: first.SellerIdentifier, BuyerIdentifier: first.BuyerIdentifier,
		TotalAmount: total, TaxAmount: tax, UploadStatus: "0",
	}}
	al.takes(1)
	r.merchant.allowances[al.AllowanceNo] = &allowanceView{side: side, allowance: al}
	if other := s.merchants[first.otherMerchant(r.merchant)]; other != nil {
		other.allowances[al.AllowanceNo] = &allowanceView{side: otherSide(side), allowance: al}
	}
	s.effect(r.at, EffectAllowanceIssued, r.merchant, first.InvoiceNumber, r.seq, al.AllowanceNo)
	return answer{code: CodeOK, more: object{{"AllowanceNo", al.AllowanceNo}, {"AllowanceNumber", al.AllowanceNo}}}
}

// allowanceLines reads Details and returns the sum of ItemAmount.
func (s *Server) allowanceLines(f *fields) (lines []allowanceLine, sum float64) {
	s.each(f, "Details", func(d *fields) {
		line := allowanceLine{
			key:      invoiceKey{d.pattern("OriginalInvoiceNumber", 10, invoiceNumber), d.date("OriginalInvoiceDate")},
			sequence: d.between("OriginalSequenceNumber", 1, 999), name: d.required("ItemName", 256),
			count: d.amount("ItemCount", true), price: d.amount("ItemPrice", true),
			amount: d.amount("ItemAmount", true), taxes: d.amount("Tax", false),
		}
		sum += line.amount
		lines = append(lines, line)
	})
	return lines, sum
}

// allows finds the invoices of an allowance, and says on which side of them the merchant is, or why they allow none.
func (m *merchant) allows(lines []allowanceLine) (side string, a answer) {
	wanted := map[*b2bInvoice]float64{}
	for n := range lines {
		view := m.invoices[lines[n].key]
		if view == nil || view.side == SidePurchase {
			return "", refuse(CodeNoSuchInvoice)
		}
		i := view.invoice
		side, lines[n].invoice = view.side, i
		wanted[i] += lines[n].amount
		switch {
		case i.voided():
			return "", refuse(CodeAllowanceVoided)
		case !i.reject.at.IsZero() || !m.Archive && i.issueConfirm.at.IsZero():
			return "", refuse(CodeAllowanceNotConfirmed)
		case int(math.Round(wanted[i])) > i.SalesAmount-i.allowed:
			return "", refuse(CodeAllowanceTooMuch)
		}
	}
	return side, answer{code: CodeOK}
}

// takes takes from the invoices what the allowance is about, or gives it back for -1.
func (al *b2bAllowance) takes(sign int) {
	amounts := map[*b2bInvoice]float64{}
	for _, line := range al.lines {
		amounts[line.invoice] += line.amount
	}
	for i, amount := range amounts {
		i.allowed += sign * int(math.Round(amount))
	}
}

// otherMerchant is who sees the invoice from the other side, if the fake has it.
func (i *b2bInvoice) otherMerchant(m *merchant) string {
	if i.MerchantID == m.MerchantID {
		return i.Counterparty
	}
	return i.MerchantID
}

// items lists the lines as GetAllowance does.
func (al *b2bAllowance) items() []object {
	items := []object{}
	for n, line := range al.lines {
		items = append(items, object{
			{"OriginalInvoiceDate", line.key.date + " 00:00:00"},
			{"OriginalInvoiceNumber", line.key.number},
			{"OriginalSequenceNumber", line.sequence},
			{"OriginalDescription", line.name},
			{"AllowanceSequenceNumber", n + 1},
			{"Quantity", line.count},
			{"UnitPrice", line.price},
			{"Tax", line.taxes},
			{"Amount", line.amount},
			{"BalanceAmount", line.invoice.SalesAmount - line.invoice.allowed},
		})
	}
	return items
}
