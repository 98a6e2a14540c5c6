package ecpaytest

import "encoding/json"

var _ = endpoint(operation{
	name: "GetGovInvoiceWordSetting", category: "B2C",
	run: (*Server).getGovInvoiceWordSetting,
})

// getGovInvoiceWordSetting is GetGovInvoiceWordSetting of either category (documented): the ranges that the Ministry of Finance
// gives to the merchant in a year. Here it gives one for each of the six terms; their members are our choice.
func (s *Server) getGovInvoiceWordSetting(r request) answer {
	year := r.data.year()
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	list := []json.RawMessage{}
	for term, header := range []string{"FA", "FB", "FC", "FD", "FE", "FG"} {
		list = append(list, mustJSON(object{
			{"InvoiceYear", year}, {"InvoiceTerm", term + 1}, {"InvType", "07"},
			{"InvoiceHeader", header}, {"InvoiceStart", "10000000"}, {"InvoiceEnd", "10000049"}, {"Number", 1},
		}))
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{{"InvoiceInfo", list}}}
}
