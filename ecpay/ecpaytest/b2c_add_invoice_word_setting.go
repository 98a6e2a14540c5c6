package ecpaytest

import "regexp"

var opB2CAddInvoiceWordSetting = operation{
	name: "AddInvoiceWordSetting", category: "B2C", write: true, subject: []string{"InvoiceHeader"},
	run: (*Server).b2cAddInvoiceWordSetting,
}

// wordNumber are the digits of an invoice number.
var wordNumber = regexp.MustCompile(`^[0-9]{8}$`)

// b2cAddInvoiceWordSetting is B2C AddInvoiceWordSetting. Seen in shipped clients: its fields and TrackID. Documented: a new range
// is not in use. What a range that overlaps another one is answered is unknown, and here nobody knows the code.
func (s *Server) b2cAddInvoiceWordSetting(r request) answer {
	f := r.data
	t := track{
		term: f.number("InvoiceTerm", 1, 6), year: f.year(), invType: f.oneOf("InvType", "07", "08"), category: f.number("InvoiceCategory", 1, 2),
		header: f.pattern("InvoiceHeader", 2, wordHeader),
		start:  f.pattern("InvoiceStart", 8, wordNumber), end: f.pattern("InvoiceEnd", 8, wordNumber), status: wordNew,
	}
	if f.refusal == nil && t.start > t.end {
		f.complain(CodeFieldFormat, "InvoiceEnd is before InvoiceStart")
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	for _, other := range r.merchant.tracks {
		if other.year == t.year && other.term == t.term && other.header == t.header && other.start <= t.end && t.start <= other.end {
			return refuse(CodeTrackDup)
		}
	}
	added := r.merchant.addTrack(t)
	s.effect(r.at, EffectWordAdded, r.merchant, t.header, r.seq, added.id)
	return answer{code: CodeOK, msg: "新增成功", more: object{{"TrackID", added.id}}}
}
