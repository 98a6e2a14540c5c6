package ecpaytest

var _ = endpoint(operation{
	name: "GetInvalidConfirm", category: "B2B", subject: []string{"InvoiceNumber", "RelateNumber"},
	run: (*Server).b2bGetInvalidConfirm,
})

// b2bGetInvalidConfirm is B2B GetInvalidConfirm. Documented for a sibling product: ConfirmDate is null while the confirm is
// awaited. That an invoice which is not voided is answered like an unknown one is our choice.
func (s *Server) b2bGetInvalidConfirm(r request) answer {
	i, _, a := s.findInvoice(r)
	if i == nil {
		return a
	}
	if !i.voided() || i.state == stateVoided {
		return refuse(CodeNoData)
	}
	return answer{code: CodeOK, more: object{{"RtnData", object{
		{"InvoiceNumber", i.InvoiceNumber},
		{"Buyer_Identifier", i.BuyerIdentifier},
		{"Seller_Identifier", i.SellerIdentifier},
		{"CancelDate", i.void.day()},
		{"ConfirmDate", i.voidConfirm.dayOrNull()},
		{"Upload_Status", i.UploadStatus},
	}}}}
}
