package ecpaytest

import "regexp"

var _ = endpoint(operation{
	name: "GetCompanyNameByTaxID", category: "B2C", subject: []string{"UnifiedBusinessNo"},
	run: (*Server).getCompanyNameByTaxID,
})

// taxID is the form of a 統一編號.
var taxID = regexp.MustCompile(`^[0-9]{8}$`)

// getCompanyNameByTaxID is GetCompanyNameByTaxID of either category. Recorded, of B2C: 2027000 for what has not the form, 1200125 for
// a wrong check digit, 7 for one that is not found. That all are found but one, and the name, are our choice.
func (s *Server) getCompanyNameByTaxID(r request) answer {
	id := r.data.required("UnifiedBusinessNo", 50)
	switch {
	case id != "" && !taxID.MatchString(id):
		r.data.refuse(CodeTaxIDFormat)
	case id != "" && !checksOut(id):
		r.data.refuse(CodeTaxIDCheck)
	}
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	if id == NoSuchTaxID {
		return refuse(CodeNothing)
	}
	return answer{code: CodeOK, msg: "執行成功", more: object{{"CompanyName", "公司" + id}}}
}

// checksOut checks the last digit of a 統一編號 by the rule of the Ministry of Finance of 2023.
func checksOut(id string) bool {
	sum := 0
	for i, weight := range []int{1, 2, 1, 2, 1, 2, 4, 1} {
		n := int(id[i]-'0') * weight
		sum += n/10 + n%10
	}
	return sum%5 == 0 || id[6] == '7' && (sum+1)%5 == 0
}
