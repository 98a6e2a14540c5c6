package ecpaytest

var opB2BGetIssue = operation{
	name: "GetIssue", category: "B2B", subject: []string{"InvoiceNumber", "RelateNumber"},
	run: (*Server).b2bGetIssue,
}

// b2bGetIssue is B2B GetIssue. Recorded: RtnCode is a string, RtnData an object, and its keys are of mixed spelling.
func (s *Server) b2bGetIssue(r request) answer {
	i, a := s.findInvoice(r)
	if i == nil {
		a.asString = true
		return a
	}
	invalid := "0"
	if i.state != stateValid {
		invalid = "1"
	}
	return answer{code: CodeOK, asString: true, more: object{{"RtnData", object{
		{"InvoiceNumber", i.InvoiceNumber},
		{"InvoiceDate", i.InvoiceDate},
		{"RelateNumber", i.RelateNumber},
		{"Seller_Identifier", i.SellerIdentifier},
		{"Buyer_Identifier", i.BuyerIdentifier},
		{"SalesAmount", i.SalesAmount},
		{"Issue_Status", "1"},
		{"Invalid_Status", invalid},
		{"Upload_Status", "0"},
	}}}}
}
