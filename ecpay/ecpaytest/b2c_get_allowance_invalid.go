package ecpaytest

import "time"

var _ = endpoint(operation{
	name: "GetAllowanceInvalid", category: "B2C", subject: []string{"AllowanceNo"},
	run:     (*Server).b2cGetAllowanceInvalid,
	another: func(o *another) { o.b2cAllowance = &B2CAllowance{Voided: true} },
})

// b2cGetAllowanceInvalid is B2C GetAllowanceInvalid. Recorded: its members, AI_Mer_ID a number. That what is not voided, or not
// there, is RtnCode 2 is our choice.
func (s *Server) b2cGetAllowanceInvalid(r request) answer {
	f := r.data
	invoice, number := f.required("InvoiceNo", 10), f.required("AllowanceNo", 16)
	if a, ok := s.checked(f); !ok {
		return a
	}
	a := r.merchant.allowance(invoice, number)
	if a == nil || a.state != stateVoided {
		return refuse(CodeNoData)
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{
		{"AI_Allow_Date", a.made.In(taipei).Format(time.DateTime)},
		{"AI_Allow_No", a.number},
		{"AI_Buyer_Identifier", "0000000000"},
		{"AI_Date", a.voidedAt.In(taipei).Format(time.DateTime)},
		{"AI_Invoice_No", a.invoice.number},
		{"AI_Mer_ID", merchantIDValue(r.merchant.MerchantID, true)},
		{"Reason", a.reason},
		{"AI_Seller_Identifier", "53538851"},
		{"AI_Upload_Date", ""},
		{"AI_Upload_Status", "0"},
	}}
}
