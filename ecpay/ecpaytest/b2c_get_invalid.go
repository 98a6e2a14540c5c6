package ecpaytest

import (
	"strings"
	"time"
)

var _ = endpoint(operation{
	name: "GetInvalid", category: "B2C", subject: []string{"RelateNumber", "InvoiceNo"},
	run:     (*Server).b2cGetInvalid,
	another: func(o *another) { o.delayed.Voided = true },
})

// b2cGetInvalid is B2C GetInvalid. Recorded: it wants all three keys, else 2013001; what is not voided is RtnCode 2, as is
// what does not exist.
func (s *Server) b2cGetInvalid(r request) answer {
	f := r.data
	relate, number, date := f.optional("RelateNumber", 50), f.optional("InvoiceNo", 10), f.optional("InvoiceDate", 20)
	if relate == "" || number == "" || date == "" {
		f.refuse(CodeKeyMissing)
	} else {
		date = f.day("InvoiceDate")
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	i := r.merchant.issued[number]
	if i == nil || i.voidedAt.IsZero() || dateIn(i.created) != date || !strings.EqualFold(i.delayed.RelateNumber, relate) {
		return refuse(CodeNoData)
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{
		{"II_Mer_ID", merchantIDValue(r.merchant.MerchantID, true)},
		{"II_Invoice_No", i.number},
		{"II_Date", i.voidedAt.In(taipei).Format(time.DateTime)},
		{"II_Upload_Status", "0"},
		{"II_Upload_Date", ""},
		{"Reason", i.reason},
	}}
}
