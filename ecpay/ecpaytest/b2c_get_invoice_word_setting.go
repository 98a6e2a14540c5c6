package ecpaytest

import "encoding/json"

var opB2CGetInvoiceWordSetting = operation{
	name: "GetInvoiceWordSetting", category: "B2C",
	run: (*Server).b2cGetInvoiceWordSetting,
}

// b2cGetInvoiceWordSetting is B2C GetInvoiceWordSetting. Documented: its fields; 0 means any of InvoiceTerm and UseStatus. Recorded:
// 7 when there is none, TrackID and InvoiceNo. The name of the list is our choice.
func (s *Server) b2cGetInvoiceWordSetting(r request) answer {
	f := r.data
	year, term, status := f.year(), f.number("InvoiceTerm", 0, 6), f.number("UseStatus", 0, 6)
	category := f.number("InvoiceCategory", 1, 2)
	invType, header := f.optional("InvType", 2), f.optional("InvoiceHeader", 2)
	if a, ok := s.checked(f); !ok {
		return a
	}
	found := []json.RawMessage{}
	for _, t := range r.merchant.tracks {
		if t.year == year && t.category == category && (term == "0" || t.term == term) && (status == "0" || t.status == status) &&
			(invType == "" || t.invType == invType) && (header == "" || t.header == header) {
			found = append(found, mustJSON(t.describe()))
		}
	}
	if len(found) == 0 {
		return refuse(CodeNothing)
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{{"InvoiceInfo", found}}}
}
