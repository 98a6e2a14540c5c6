package ecpaytest

import (
	"encoding/json"
	"strconv"
)

var _ = endpoint(operation{
	name: "GetInvoiceWordSetting", category: "B2C",
	run: (*Server).getInvoiceWordSetting,
})

// getInvoiceWordSetting is GetInvoiceWordSetting of either category. Documented: its fields and those of a range; 0 means any of
// InvoiceTerm and UseStatus. Recorded: 7 when there is none.
func (s *Server) getInvoiceWordSetting(r request) answer {
	f := r.data
	year, term, status := f.year(), f.number("InvoiceTerm", 0, 6), f.number("UseStatus", 0, 6)
	category := f.number("InvoiceCategory", 1, 2)
	invType, header := f.optional("InvType", 2), f.optional("InvoiceHeader", 2)
	if a, ok := s.checked(f); !ok {
		return a
	}
	found := []json.RawMessage{}
	for _, t := range r.merchant.tracks {
		if t.InvoiceYear == year && t.InvoiceCategory == category && (term == "0" || strconv.Itoa(t.InvoiceTerm) == term) &&
			(status == "0" || t.UseStatus == status) && (invType == "" || t.InvType == invType) &&
			(header == "" || t.InvoiceHeader == header) {
			found = append(found, mustJSON(t.describe()))
		}
	}
	if len(found) == 0 {
		return refuse(CodeNothing)
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{{"InvoiceInfo", found}}}
}
