package ecpaytest

var _ = endpoint(operation{
	name: "GetGovInvoiceWordSetting", category: "B2B",
	run: (*Server).getGovInvoiceWordSetting, // inferred: as in B2C
})
