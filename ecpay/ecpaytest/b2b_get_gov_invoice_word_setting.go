package ecpaytest

var opB2BGetGovInvoiceWordSetting = operation{
	name: "GetGovInvoiceWordSetting", category: "B2B",
	run: (*Server).getGovInvoiceWordSetting, // inferred: as in B2C
}
