package ecpaytest

import "time"

var _ = endpoint(operation{
	name: "GetIssue", category: "B2B", subject: []string{"InvoiceNumber", "RelateNumber"},
	run: (*Server).b2bGetIssue,
})

// b2bGetIssue is B2B GetIssue. Recorded: RtnCode is a string, RtnData an object, and its keys are of mixed spelling.
func (s *Server) b2bGetIssue(r request) answer {
	i, category, a := s.findInvoice(r)
	if i == nil {
		a.asString = true
		return a
	}
	invalid := "0"
	if i.voided() {
		invalid = "1"
	}
	issued := "1"
	if !i.reject.at.IsZero() {
		issued = "0" // documented for a sibling product
	}
	mode, status := "1", i.issueConfirm.exchangeStatus()
	if r.merchant.Archive {
		mode, status = "0", ""
	}
	return answer{code: CodeOK, asString: true, more: object{{"RtnData", append(object{
		{"InvoiceNumber", i.InvoiceNumber},
		{"InvoiceDate", i.InvoiceDate},
		{"RelateNumber", i.RelateNumber},
		{"Seller_Identifier", i.SellerIdentifier},
		{"Buyer_Identifier", i.BuyerIdentifier},
		{"SalesAmount", i.SalesAmount},
		{"TaxAmount", i.taxAmount},
		{"TotalAmount", i.SalesAmount + i.taxAmount},
		{"BalanceAmount", i.SalesAmount - i.allowed},
		{"RandomNumber", i.random},
		{"CreateDate", i.issuedAt.Format(time.DateTime)},
		{"Issue_Status", issued},
		{"Invalid_Status", invalid},
		{"ConfirmDate", i.issueConfirm.dayOrNull()},
		{"ExchangeMode", mode},
		{"ExchangeStatus", status},
	}, notUploaded(category == 0)...)}}}
}
