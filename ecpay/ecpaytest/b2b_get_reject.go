package ecpaytest

import "encoding/json"

var _ = endpoint(operation{
	name: "GetReject", category: "B2B", subject: []string{"InvoiceNumber", "RelateNumber"},
	run: (*Server).b2bGetReject,
	another: func(o *another) {
		o.invoice.IssueConfirmed, o.invoice.Confirmed, o.invoice.RejectConfirmed = false, false, true
	},
})

// b2bGetReject is B2B GetReject. Its members are documented for a sibling product. Seen in shipped clients: a Reason, and no
// InvoiceCategory, which we take for 0. That an invoice which is not rejected is answered like an unknown one is our choice.
func (s *Server) b2bGetReject(r request) answer {
	if r.data.present("Reason") && !r.data.present("InvoiceCategory") {
		r.data.members["InvoiceCategory"] = json.RawMessage("0")
	}
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
		{"ExchangeStatus", i.rejectConfirm.exchangeStatus()},
		{"Remark", i.reject.remark},
	}, notUploaded(category == 0)...)}}}
}
