package ecpaytest

var _ = endpoint(operation{
	name: "AddInvoiceWordSetting", category: "B2B", write: true, subject: []string{"InvoiceHeader"},
	run: (*Server).addInvoiceWordSetting, // inferred: as in B2C
})
