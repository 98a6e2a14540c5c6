package ecpaytest

import (
	"cmp"
	"strings"
	"time"
)

var _ = endpoint(operation{
	name: "GetIssue", category: "B2C", subject: []string{"RelateNumber", "InvoiceNo"},
	run: (*Server).b2cGetIssue,
})

// b2cGetIssue is B2C GetIssue. Recorded: which keys are there, even empty ones, decides what is looked for, so an empty
// InvoiceNo beside a good RelateNumber finds nothing; only issued invoices are found, anything else is RtnCode 2.
func (s *Server) b2cGetIssue(r request) answer {
	f := r.data
	byRelate, byNumber, byDate := f.present("RelateNumber"), f.present("InvoiceNo"), f.present("InvoiceDate")
	relate, number, date := f.optional("RelateNumber", 50), f.optional("InvoiceNo", 10), f.optional("InvoiceDate", 20)
	if !byRelate && !byNumber && !byDate {
		f.complain(CodeFieldMissing, "RelateNumber, or InvoiceNo and InvoiceDate, are required")
	}
	if date != "" && !validDate(date) {
		f.complain(CodeFieldFormat, "InvoiceDate must be yyyy-mm-dd")
	}
	if a, ok := s.checked(f); !ok {
		return a
	}
	var found *issued
	if byNumber || byDate {
		found = r.merchant.issued[number]
		if found != nil && found.created.Format(time.DateOnly) != date {
			found = nil
		}
		if found != nil && byRelate && !strings.EqualFold(found.delayed.RelateNumber, relate) {
			found = nil
		}
	} else if d := r.merchant.relate[strings.ToUpper(relate)]; d != nil && len(d.invoices) > 0 {
		found = d.invoices[0]
	}
	if found == nil {
		return answer{code: CodeNoData, msg: "查無發票資料，請重新確認"} // recorded
	}
	return answer{code: CodeOK, msg: "查詢成功", more: found.describe()}
}

// describe lists the documented members of an issued invoice that the fake knows, in the types that were recorded.
func (i *issued) describe() object {
	d, voided := i.delayed, "0"
	if !i.voidedAt.IsZero() {
		voided = "1"
	}
	return object{
		{"IIS_Mer_ID", merchantIDValue(d.MerchantID, true)},
		{"IIS_Number", i.number},
		{"IIS_Relate_Number", d.RelateNumber},
		{"IIS_Create_Date", i.created.Format(time.DateTime)},
		{"IIS_Random_Number", i.random},
		{"IIS_Sales_Amount", d.SalesAmount},
		{"IIS_Tax_Amount", 0},
		{"IIS_Issue_Status", "1"},
		{"IIS_Invalid_Status", voided},
		{"IIS_Upload_Status", cmp.Or(i.upload.status, "0")},
		{"IIS_Upload_Date", i.upload.date},
		{"IIS_Turnkey_Status", i.upload.turnkey},
		{"IIS_Remain_Allowance_Amt", i.remaining()},
	}
}
