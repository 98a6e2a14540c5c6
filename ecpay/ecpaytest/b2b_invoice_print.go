package ecpaytest

var _ = endpoint(operation{
	name: "InvoicePrint", category: "B2B", subject: []string{"InvoiceNo"},
	run:     (*Server).b2bInvoicePrint,
	another: func(o *another) { o.invoice = invoiceOfToday() },
})

// b2bInvoicePrint is B2B InvoicePrint. Seen in ECPay's own .NET sample: its fields and their values. That it answers as that of B2C
// does, voided invoices included, is our choice.
func (s *Server) b2bInvoicePrint(r request) answer {
	i, _, a := s.printed(r)
	if i == nil {
		return a
	}
	return answer{code: CodeOK, msg: "成功", more: object{{"InvoiceHtml", "https://einvoice.invalid/print/" + i.InvoiceNumber}}}
}

// printed reads the fields by which a B2B invoice is printed, and finds the merchant's side of it.
func (s *Server) printed(r request) (i *b2bInvoice, category int, a answer) {
	f := r.data
	if f.present("InvoiceCategory") {
		category = f.between("InvoiceCategory", 0, 1)
	}
	key := invoiceKey{f.pattern("InvoiceNo", 10, invoiceNumber), f.slashedDay("InvoiceDate")}
	if f.present("PrintStyle") {
		f.number("PrintStyle", 1, 2)
	}
	if a, ok := s.checked(f); !ok {
		return nil, category, a
	}
	view := r.merchant.invoices[key]
	hidden := []string{SidePurchase, SideSales}[category]
	if view == nil || view.side == hidden || view.invoice.voided() {
		return nil, category, refuse(CodeNothing)
	}
	return view.invoice, category, answer{}
}
