package ecpaytest

import (
	"encoding/json"
	"slices"
	"strings"
)

var _ = endpoint(operation{
	name: "GetIssueList", category: "B2C",
	run: (*Server).b2cGetIssueList,
})

// b2cGetIssueList is B2C GetIssueList. Documented: the fields, and at most 200 invoices a page. Recorded: Data is not
// encrypted, and the newest invoice comes first. The names of the members that hold the list, and that the Query fields
// filter nothing here, are our choice. There is no CSV (DataType 2).
func (s *Server) b2cGetIssueList(r request) answer {
	f := r.data
	begin, end := f.date("BeginDate"), f.date("EndDate")
	size, page := int(f.amount("NumPerPage", true)), int(f.amount("ShowingPage", true))
	if size < 1 || size > 200 || page < 1 {
		f.complain(CodeFieldFormat, "NumPerPage must be 1 to 200, ShowingPage 1 or more")
	}
	if f.present("DataType") && strings.Trim(string(f.members["DataType"]), `"`) != "1" {
		f.complain(CodeFieldFormat, "DataType must be 1; there is no CSV here")
	}
	for name := range f.members {
		if strings.HasPrefix(name, "Query_") {
			f.present(name)
		}
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	found := []*issued{}
	for _, i := range r.merchant.issued {
		if day := dateIn(i.created); begin <= day && day <= end {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b *issued) int { return strings.Compare(b.number, a.number) }) // they are numbered in order
	list := []json.RawMessage{}
	for n := (page - 1) * size; n < min(page*size, len(found)); n++ {
		list = append(list, mustJSON(found[n].describe()))
	}
	return answer{
		code: CodeOK, msg: "查詢成功", plain: true, more: object{{"TotalCount", len(found)}, {"ShowingPage", page}, {"InvoiceData", list}},
	}
}
