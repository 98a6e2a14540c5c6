package ecpaytest

import (
	"encoding/json"
	"slices"
)

var _ = endpoint(operation{
	name: "GetAllowanceList", category: "B2C", subject: []string{"AllowanceNo", "InvoiceNo"},
	run:     (*Server).b2cGetAllowanceList,
	another: func(o *another) { o.b2cAllowance = &B2CAllowance{} },
})

// b2cGetAllowanceList is B2C GetAllowanceList (documented): by AllowanceNo, or by InvoiceNo and the day of the invoice or of the
// allowance; offers are not in it. That nothing found is RtnCode 2, that the newest comes first as in GetIssueList, and that
// voided ones are in it are our choice.
func (s *Server) b2cGetAllowanceList(r request) answer {
	f := r.data
	search := f.oneOf("SearchType", "0", "1", "2")
	number, invoice, date := f.optional("AllowanceNo", 16), f.optional("InvoiceNo", 10), f.optional("Date", 20)
	switch {
	case search == "0" && number == "":
		f.complain(CodeFieldMissing, "AllowanceNo is required with SearchType 0")
	case search != "0" && (invoice == "" || date == ""):
		f.complain(CodeFieldMissing, "InvoiceNo and Date are required with SearchType %s", search)
	case search != "0" && !validDate(date):
		f.complain(CodeFieldFormat, "Date must be yyyy-mm-dd")
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	var candidates []*b2cAllowance
	if a := r.merchant.b2cAllowances[number]; search == "0" && a != nil {
		candidates = []*b2cAllowance{a}
	} else if i := r.merchant.issued[invoice]; search != "0" && i != nil {
		candidates = i.allowances
	}
	found := []json.RawMessage{}
	for _, a := range slices.Backward(candidates) {
		other := search == "1" && dateIn(a.invoice.created) != date || search == "2" && dateIn(a.made) != date
		if a.exists() && !other {
			found = append(found, mustJSON(a.describe()))
		}
	}
	if len(found) == 0 {
		return refuse(CodeNoData)
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{{"AllowanceInfo", found}}}
}
