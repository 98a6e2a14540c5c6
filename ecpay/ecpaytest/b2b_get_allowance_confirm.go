package ecpaytest

var _ = endpoint(operation{
	name: "GetAllowanceConfirm", category: "B2B", subject: []string{"AllowanceNo"},
	run: (*Server).b2bGetAllowanceConfirm,
})

// b2bGetAllowanceConfirm is B2B GetAllowanceConfirm (documented). The type of RtnData, and the code for an unknown number,
// are unknown.
func (s *Server) b2bGetAllowanceConfirm(r request) answer {
	al, a := s.findAllowance(r)
	if al == nil {
		return a
	}
	return al.answer(object{
		{"MerchantID", al.MerchantID},
		{"Seller_Identifier", al.SellerIdentifier},
		{"Buyer_Identifier", al.BuyerIdentifier},
		{"AllowanceDate", al.AllowanceDate},
		{"ConfirmDate", al.ConfirmDate},
		{"Upload_Status", al.UploadStatus},
		{"Upload_Date", al.UploadDate},
		{"ConfirmRemark", al.ConfirmRemark},
	})
}
