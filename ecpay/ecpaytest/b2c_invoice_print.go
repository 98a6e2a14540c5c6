package ecpaytest

var _ = endpoint(operation{
	name: "InvoicePrint", category: "B2C", subject: []string{"InvoiceNo"},
	run: (*Server).b2cInvoicePrint,
})

// b2cInvoicePrint is B2C InvoicePrint. Documented: its fields and their values, and that the address it answers is good for an
// hour. Recorded: InvoiceHtml, and 7 for an unknown number and for what has a carrier or is donated. That another date and a
// voided invoice are answered in the same way, and that PrintStyle 4 and 5 need no 統編, is our choice.
func (s *Server) b2cInvoicePrint(r request) answer {
	f := r.data
	number, date := f.pattern("InvoiceNo", 10, invoiceNumber), f.day("InvoiceDate")
	if f.present("PrintStyle") {
		f.number("PrintStyle", 1, 5)
	}
	if f.present("IsShowingDetail") {
		f.number("IsShowingDetail", 1, 2)
	}
	if again := f.optional("IsReprintInvoice", 1); again != "" && again != "Y" {
		f.complain(CodeFieldFormat, "IsReprintInvoice must be Y or empty")
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	i := r.merchant.issued[number]
	if i == nil || dateIn(i.created) != date || !i.voidedAt.IsZero() || i.delayed.Paperless {
		return refuse(CodeNothing)
	}
	return answer{code: CodeOK, msg: "成功", more: object{{"InvoiceHtml", "https://einvoice.invalid/print/" + i.number}}}
}
