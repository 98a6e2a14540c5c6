package reconcile

import (
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

func shown(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

func TestDeadlinesAreThoseThatStillMatter(t *testing.T) {
	t.Parallel()
	b2b := func(change func(*ecpay.B2BIssue)) ecpay.Response {
		i := ecpay.B2BIssue{InvoiceNumber: "AA00000001", InvoiceDate: "2026-11-29", Invalid_Status: "0", Upload_Status: "0"}
		change(&i)
		return &ecpay.B2BGetIssueResponse{RtnData: ecpay.Nested[ecpay.B2BIssue]{Present: true, Value: i}}
	}
	b2c := func(change func(*ecpay.B2CIssued)) ecpay.Response {
		i := ecpay.B2CIssued{IIS_Create_Date: "2026-11-29 23:59:59", IIS_Invalid_Status: "0", IIS_Upload_Status: "0"}
		change(&i)
		return &ecpay.B2CGetIssueResponse{B2CIssued: i}
	}
	const void, due = "2027-01-13T23:59:59+08:00", "2026-12-01T23:59:59+08:00"
	for name, row := range map[string]struct {
		answer    ecpay.Response
		void, due string
	}{
		"B2C":               {b2c(func(*ecpay.B2CIssued) {}), void, due},
		"B2C, uploaded":     {b2c(func(i *ecpay.B2CIssued) { i.IIS_Upload_Status, i.IIS_Turnkey_Status = "1", "C" }), void, ""},
		"B2C, failed":       {b2c(func(i *ecpay.B2CIssued) { i.IIS_Upload_Status, i.IIS_Turnkey_Status = "1", "E" }), void, due},
		"B2C, void":         {b2c(func(i *ecpay.B2CIssued) { i.IIS_Invalid_Status = "1" }), "", due},
		"B2C without a day": {b2c(func(i *ecpay.B2CIssued) { i.IIS_Create_Date = "null" }), "", ""},
		"B2B":               {b2b(func(*ecpay.B2BIssue) {}), "", "2026-12-06T23:59:59+08:00"},
		"B2B by slashes":    {b2b(func(i *ecpay.B2BIssue) { i.InvoiceDate = "2026/11/29" }), "", "2026-12-06T23:59:59+08:00"},
		"B2B, uploaded":     {b2b(func(i *ecpay.B2BIssue) { i.Upload_Status = "1" }), "", ""},
		"another query":     {&ecpay.B2CGetInvalidResponse{}, "", ""},
	} {
		d := DeadlinesOfAnswer(row.answer)
		if shown(d.VoidUntil) != row.void || shown(d.UploadDue) != row.due {
			t.Errorf("%s: got void until %q and upload due %q, want %q and %q", name, shown(d.VoidUntil), shown(d.UploadDue), row.void, row.due)
		}
	}
}
