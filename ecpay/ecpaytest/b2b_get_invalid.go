package ecpaytest

import "time"

var _ = endpoint(operation{
	name: "GetInvalid", category: "B2B", subject: []string{"InvoiceNumber", "RelateNumber"},
	run: (*Server).b2bGetInvalid,
})

// b2bGetInvalid is B2B GetInvalid. Its members are documented for a sibling product. That an invoice which is not voided is
// answered like an unknown one is our choice.
func (s *Server) b2bGetInvalid(r request) answer {
	i, _, a := s.findInvoice(r)
	if i == nil {
		return a
	}
	if !i.voided() {
		return refuse(CodeNoData)
	}
	exchange := map[string]string{stateVoided: "", stateAwaitingConfirm: "0", stateVoidConfirmed: "1"}[i.state]
	return answer{code: CodeOK, more: object{{"RtnData", object{
		{"InvoiceNumber", i.InvoiceNumber},
		{"BuyerId", i.BuyerIdentifier},
		{"SellerId", i.SellerIdentifier},
		{"CancelDate", i.void.day()},
		{"CancelTime", i.void.at.In(taipei).Format(time.TimeOnly)},
		{"CancelReason", i.void.reason},
		{"Upload_Status", i.UploadStatus},
		{"ConfirmDate", i.voidConfirm.day()},
		{"ExchangeStatus", exchange},
	}}}}
}
