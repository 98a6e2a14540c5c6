package ecpaytest

var _ = endpoint(operation{
	name: "GetAllowanceInvalid", category: "B2B", subject: []string{"AllowanceNo"},
	run:     (*Server).b2bGetAllowanceInvalid,
	another: func(o *another) { o.allowance.Cancelled = true },
})

// b2bGetAllowanceInvalid is B2B GetAllowanceInvalid. Its members are documented for a sibling product, the word null for a day
// that is none among them. The code for an allowance that is not cancelled is our choice.
func (s *Server) b2bGetAllowanceInvalid(r request) answer {
	al, a := s.findAllowance(r)
	if al == nil {
		return a
	}
	if al.cancel.at.IsZero() {
		return refuse(CodeNoData)
	}
	return al.answer(object{
		{"MerchantID", al.MerchantID},
		{"AllowanceNo", al.AllowanceNo},
		{"AllowanceNumber", al.AllowanceNo},
		{"SellerId", al.SellerIdentifier},
		{"BuyerId", al.BuyerIdentifier},
		{"CancelDate", al.cancel.day()},
		{"CancelReason", al.cancel.reason},
		{"Upload_Status", ""},
		{"Upload_Date", "null"},
		{"ExchangeStatus", al.cancelStatus(r.merchant)},
		{"Remark", al.cancel.remark},
	})
}

// cancelStatus says whether a cancel that awaits a confirm has it; in archive mode it awaits none.
func (al *b2bAllowance) cancelStatus(m *merchant) string {
	if m.Archive {
		return ""
	}
	return al.cancelConfirm.exchangeStatus()
}
