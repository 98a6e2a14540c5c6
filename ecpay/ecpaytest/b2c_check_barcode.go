package ecpaytest

import "regexp"

var _ = endpoint(operation{
	name: "CheckBarcode", category: "B2C", subject: []string{"BarCode"},
	run: (*Server).b2cCheckBarcode,
})

// barcode is the form of a mobile barcode carrier (手機條碼).
var barcode = regexp.MustCompile(`^/[0-9A-Z+.-]{7}$`)

// b2cCheckBarcode is B2C CheckBarcode. Documented: IsExist Y or N. Recorded: 2019001 for what has not the form. That all exist
// but one is our choice.
func (s *Server) b2cCheckBarcode(r request) answer {
	code := r.data.required("BarCode", 50)
	if code != "" && !barcode.MatchString(code) {
		r.data.refuse(CodeBarcode)
	}
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	return answer{code: CodeOK, msg: "執行成功", more: object{{"IsExist", yesUnless(code == NoSuchBarcode)}}}
}

func yesUnless(no bool) string {
	if no {
		return "N"
	}
	return "Y"
}
