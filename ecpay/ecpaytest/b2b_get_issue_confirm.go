package ecpaytest

var _ = endpoint(operation{
	name: "GetIssueConfirm", category: "B2B", subject: []string{"InvoiceNumber", "RelateNumber"},
	run: (*Server).b2bGetIssueConfirm,
})

// b2bGetIssueConfirm is B2B GetIssueConfirm. Documented for a sibling product: ConfirmDate is null while the confirm is
// awaited, and Upload_Status is empty on the seller's side.
func (s *Server) b2bGetIssueConfirm(r request) answer {
	i, category, a := s.findInvoice(r)
	if i == nil {
		return a
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{{"RtnData", append(object{
		{"MerchantID", r.merchant.MerchantID},
		{"InvoiceNumber", i.InvoiceNumber},
		{"InvoiceDate", i.InvoiceDate},
		{"Buyer_Identifier", i.BuyerIdentifier},
		{"Seller_Identifier", i.SellerIdentifier},
		{"ConfirmDate", i.issueConfirm.dayOrNull()},
		{"ConfirmRemark", i.issueConfirm.remark},
	}, notUploaded(category == 1)...)}}}
}

// notUploaded says of what one side did that it is not uploaded, or nothing on the other side.
func notUploaded(mine bool) object {
	status := ""
	if mine {
		status = "0"
	}
	return object{{"Upload_Status", status}, {"Upload_Date", nil}}
}
