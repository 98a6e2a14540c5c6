package ecpaytest

var opB2BAddInvoiceWordSetting = operation{
	name: "AddInvoiceWordSetting", category: "B2B", write: true, subject: []string{"InvoiceHeader"},
	run: (*Server).addInvoiceWordSetting, // inferred: as in B2C
}
