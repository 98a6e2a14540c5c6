package ecpaytest

import "regexp"

var _ = endpoint(operation{
	name: "CheckLoveCode", category: "B2C", subject: []string{"LoveCode"},
	run: (*Server).b2cCheckLoveCode,
})

// loveCode is the form of a donation code (捐贈碼).
var loveCode = regexp.MustCompile(`^([0-9]{3,7}|[Xx][0-9]{2,6})$`)

// b2cCheckLoveCode is B2C CheckLoveCode. Documented: IsExist Y or N, and OrganName. Recorded: 2020001 for what has not the
// form. That all exist but one, and the name of the organisation, are our choice.
func (s *Server) b2cCheckLoveCode(r request) answer {
	code := r.data.required("LoveCode", 50)
	if code != "" && !loveCode.MatchString(code) {
		r.data.refuse(CodeLoveCode)
	}
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	exists, organ := yesUnless(code == NoSuchLoveCode), ""
	if exists == "Y" {
		organ = "受贈機關" + code
	}
	return answer{code: CodeOK, msg: "執行成功", more: object{{"IsExist", exists}, {"OrganName", organ}}}
}
