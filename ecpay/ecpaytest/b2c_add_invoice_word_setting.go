package ecpaytest

import "strconv"

var _ = endpoint(operation{
	name: "AddInvoiceWordSetting", category: "B2C", write: true, subject: []string{"InvoiceHeader"},
	run: (*Server).addInvoiceWordSetting,
})

// addInvoiceWordSetting is AddInvoiceWordSetting of either category. Seen in shipped clients: its fields and TrackID. Documented: a
// range is of whole books of fifty, and a new one is not in use. What a range that overlaps another one is answered is unknown,
// and here nobody knows the code.
func (s *Server) addInvoiceWordSetting(r request) answer {
	f := r.data
	t := Track{InvoiceYear: f.year(), InvType: f.oneOf("InvType", "07", "08"), InvoiceCategory: f.number("InvoiceCategory", 1, 2),
		InvoiceHeader: f.pattern("InvoiceHeader", 2, wordHeader), InvoiceStart: f.pattern("InvoiceStart", 8, wordStart),
		InvoiceEnd: f.pattern("InvoiceEnd", 8, wordEnd), UseStatus: wordNew}
	t.InvoiceTerm, _ = strconv.Atoi(f.number("InvoiceTerm", 1, 6)) // digits
	if f.refusal == nil && t.InvoiceStart > t.InvoiceEnd {
		f.complain(CodeFieldFormat, "InvoiceEnd is before InvoiceStart")
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	if r.merchant.overlaps(t) {
		return refuse(CodeTrackDup)
	}
	added := r.merchant.addTrack(t)
	s.effect(r.at, EffectWordAdded, r.merchant, t.InvoiceHeader, r.seq, added.id)
	return answer{code: CodeOK, msg: "新增成功", more: object{{"TrackID", added.id}}}
}
