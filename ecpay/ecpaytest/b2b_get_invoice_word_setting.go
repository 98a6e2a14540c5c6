package ecpaytest

var opB2BGetInvoiceWordSetting = operation{
	name: "GetInvoiceWordSetting", category: "B2B",
	run: (*Server).getInvoiceWordSetting, // inferred: as in B2C
}
