package ecpaytest

var _ = endpoint(operation{
	name: "GetInvoiceWordSetting", category: "B2B",
	run: (*Server).getInvoiceWordSetting, // inferred: as in B2C
})
