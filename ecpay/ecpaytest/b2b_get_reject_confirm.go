package ecpaytest

var _ = endpoint(operation{
	name: "GetRejectConfirm", category: "B2B", subject: []string{"InvoiceNumber", "RelateNumber"},
	run: (*Server).b2bGetRejectConfirm,
	another: func(o *another) {
		o.invoice.IssueConfirmed, o.invoice.Confirmed, o.invoice.RejectConfirmed = false, false, true
	},
})

// b2bGetRejectConfirm is B2B GetRejectConfirm. Documented for a sibling product: ConfirmDate is null while the confirm is
// awaited. That an invoice which is not rejected is answered like an unknown one is our choice.
func (s *Server) b2bGetRejectConfirm(r request) answer {
	i, category, a := s.findInvoice(r)
	if i == nil {
		return a
	}
	if i.reject.at.IsZero() {
		return refuse(CodeNoData)
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{{"RtnData", append(object{
		{"MerchantID", r.merchant.MerchantID},
		{"InvoiceNumber", i.InvoiceNumber},
		{"Buyer_Identifier", i.BuyerIdentifier},
		{"Seller_Identifier", i.SellerIdentifier},
		{"RejectDate", i.reject.day()},
		{"RejectReason", i.reject.reason},
		{"ConfirmDate", i.rejectConfirm.dayOrNull()},
		{"ConfirmRemark", i.rejectConfirm.remark},
	}, notUploaded(category == 1)...)}}}
}
