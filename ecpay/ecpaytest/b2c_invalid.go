package ecpaytest

import (
	"math"
	"slices"
	"unicode/utf8"
)

var _ = endpoint(operation{
	name: "Invalid", category: "B2C", write: true, subject: []string{"InvoiceNo"},
	run: (*Server).b2cInvalid,
})

// b2cInvalid is B2C Invalid. Recorded: 1600003 for an unknown number, 5070453 for a second void, 2009005 for a Reason of
// more than 20 characters, 5070450 for an invoice with allowances, and that InvoiceDate may have a time of day. That a wrong
// date is answered like an unknown number, and an open offer counts as an allowance, is our choice.
func (s *Server) b2cInvalid(r request) answer {
	f := r.data
	number, date := f.pattern("InvoiceNo", 10, invoiceNumber), f.day("InvoiceDate")
	reason := f.required("Reason", math.MaxInt)
	if utf8.RuneCountInString(reason) > 20 {
		f.refuse(CodeReasonLong)
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	i := r.merchant.issued[number]
	switch {
	case i == nil || dateIn(i.created) != date:
		return refuse(CodeNoSuchNumber)
	case !i.voidedAt.IsZero():
		return refuse(CodeVoidedBefore)
	case slices.ContainsFunc(i.allowances, (*b2cAllowance).holds):
		return refuse(CodeAllowanceStands)
	case i.reissued: // recorded: not before it is uploaded, which here it never is
		return refuse(CodeNotUploaded)
	}
	i.voidedAt, i.reason = s.calendar(r.at), reason
	s.effect(r.at, EffectVoided, r.merchant, number, r.seq, "")
	return answer{code: CodeOK, msg: "作廢發票成功", more: object{{"InvoiceNo", number}}}
}
