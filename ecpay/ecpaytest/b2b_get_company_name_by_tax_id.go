package ecpaytest

var _ = endpoint(operation{
	name: "GetCompanyNameByTaxID", category: "B2B", subject: []string{"UnifiedBusinessNo"},
	run: (*Server).getCompanyNameByTaxID, // inferred: as in B2C
})
