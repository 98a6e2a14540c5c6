package ecpaytest

var _ = endpoint(operation{
	name: "GetAllowance", category: "B2B", subject: []string{"AllowanceNo"},
	run: (*Server).b2bGetAllowance,
})

// b2bGetAllowance is B2B GetAllowance. Its members are documented for a sibling product. That an allowance whose cancel awaits
// the confirm is void already is our choice.
func (s *Server) b2bGetAllowance(r request) answer {
	al, a := s.findAllowance(r)
	if al == nil {
		return a
	}
	invalid, exchange := "0", "1"
	if !al.cancel.at.IsZero() {
		invalid = "1"
	}
	var confirmed any = al.ConfirmDate
	if al.ConfirmDate == "" {
		exchange, confirmed = "0", nil
	}
	if r.merchant.Archive {
		exchange = ""
	}
	return al.answer(object{
		{"MerchantID", al.MerchantID},
		{"AllowanceNo", al.AllowanceNo},
		{"AllowanceNumber", al.AllowanceNo},
		{"AllowanceType", "2"},
		{"Buyer_Identifier", al.BuyerIdentifier},
		{"Seller_Identifier", al.SellerIdentifier},
		{"AllowanceDate", al.AllowanceDate},
		{"TotalAmount", al.TotalAmount},
		{"TaxAmount", al.TaxAmount},
		{"Upload_Status", al.UploadStatus},
		{"Upload_Date", al.UploadDate},
		{"ConfirmDate", confirmed},
		{"Invalid_Status", invalid},
		{"ExchangeStatus", exchange},
		{"Items", al.items()},
		{"Remark", ""},
	})
}
