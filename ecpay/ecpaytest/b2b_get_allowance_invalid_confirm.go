package ecpaytest

var _ = endpoint(operation{
	name: "GetAllowanceInvalidConfirm", category: "B2B", subject: []string{"AllowanceNo"},
	run:     (*Server).b2bGetAllowanceInvalidConfirm,
	another: func(o *another) { o.allowance.CancelConfirmed = true },
})

// b2bGetAllowanceInvalidConfirm is B2B GetAllowanceInvalidConfirm. Its members are documented for a sibling product; it names
// neither the allowance nor the day of the confirm. The code for an allowance that is not cancelled is our choice.
func (s *Server) b2bGetAllowanceInvalidConfirm(r request) answer {
	al, a := s.findAllowance(r)
	if al == nil {
		return a
	}
	if al.cancel.at.IsZero() {
		return refuse(CodeNoData)
	}
	return al.answer(object{
		{"MerchantID", al.MerchantID},
		{"Seller_Identifier", al.SellerIdentifier},
		{"Buyer_Identifier", al.BuyerIdentifier},
		{"CancelDate", al.cancel.day()},
		{"Upload_Status", ""},
		{"Upload_Date", "null"},
		{"ExchangeStatus", al.cancelStatus(r.merchant)},
		{"ConfirmRemark", al.cancelConfirm.remark},
	})
}
