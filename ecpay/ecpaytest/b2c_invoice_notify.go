package ecpaytest

import (
	"slices"
	"strings"
)

var _ = endpoint(operation{
	name: "InvoiceNotify", category: "B2C", write: true, subject: []string{"InvoiceNo"},
	run: (*Server).b2cInvoiceNotify,
})

// b2cInvoiceNotify is B2C InvoiceNotify. Documented: the fields and their values. Recorded: 1600003 for an unknown number, and
// that a repeat is a second message, so each one is an effect. It sends nothing.
func (s *Server) b2cInvoiceNotify(r request) answer {
	f := r.data
	number := f.pattern("InvoiceNo", 10, invoiceNumber)
	how, tag := f.oneOf("Notify", "S", "E", "A"), f.oneOf("InvoiceTag", "I", "II", "A", "AI", "AW", "OA")
	f.oneOf("Notified", "C", "M", "A")
	phone, mail := f.optional("Phone", 20), f.optional("NotifyMail", 200)
	allowance := f.optional("AllowanceNo", 16)
	switch {
	case how != "E" && phone == "":
		f.complain(CodeFieldMissing, "Phone is required with Notify S and A")
	case how != "S" && mail == "":
		f.complain(CodeFieldMissing, "NotifyMail is required with Notify E and A")
	case slices.Contains([]string{"A", "AI", "OA"}, tag) && allowance == "":
		f.complain(CodeFieldMissing, "AllowanceNo is required with InvoiceTag %s", tag)
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	if r.merchant.issued[number] == nil {
		return refuse(CodeNoSuchNumber)
	}
	s.effect(r.at, EffectNotified, r.merchant, number, r.seq, tag)
	return answer{code: CodeOK, msg: "通知發送成功"}
}

// oneOf returns a required string that must be one of a few.
func (f *fields) oneOf(name string, values ...string) string {
	v := f.required(name, 10)
	if !slices.Contains(values, v) {
		f.complain(CodeFieldFormat, "%s must be one of %s", name, strings.Join(values, ", "))
	}
	return v
}
