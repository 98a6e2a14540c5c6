package ecpaytest

var _ = endpoint(operation{
	name: "GetAllowance", category: "B2C", subject: []string{"AllowanceNo"},
	run:     (*Server).b2cGetAllowance,
	another: func(o *another) { o.b2cAllowance = &B2CAllowance{} },
})

// b2cGetAllowance is B2C GetAllowance. Recorded: it wants InvoiceNo, else 2014001, and AllowanceNo, else 2014003, whatever
// SearchType says; the allowance is the answer itself, with no list around it. That what is not there is RtnCode 2, as an
// offer is, is our choice.
func (s *Server) b2cGetAllowance(r request) answer {
	f := r.data
	f.optional("SearchType", 1)
	f.optional("Date", 20)
	invoice, number := f.optional("InvoiceNo", 10), f.optional("AllowanceNo", 16)
	switch {
	case invoice == "":
		f.refuse(CodeAllowanceInvoiceMissing)
	case number == "":
		f.refuse(CodeAllowanceNoMissing)
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	a := r.merchant.allowance(invoice, number)
	if a == nil || !a.exists() {
		return refuse(CodeNoData)
	}
	return answer{code: CodeOK, msg: "查詢成功", more: a.describe()}
}
