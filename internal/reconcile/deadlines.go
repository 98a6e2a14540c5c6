package reconcile

import (
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// uploaded is the status of an upload that has happened, in both categories.
const uploaded = "1"

// Deadlines are those of an invoice in ECPay's list.
func (i Invoice) Deadlines() ecpay.Deadlines {
	return ecpay.DeadlinesOf(ecpay.B2C, i.Created, i.Voided, i.Upload == uploaded && !i.UploadFailed())
}

// DeadlinesOfAnswer returns those of the invoice that an answer of GetIssue is about, none of other answers.
func DeadlinesOfAnswer(answer ecpay.Response) ecpay.Deadlines {
	switch r := answer.(type) {
	case *ecpay.B2CGetIssueResponse:
		return InvoiceOf(r.B2CIssued).Deadlines()
	case *ecpay.B2BGetIssueResponse:
		i := r.RtnData.Value
		return ecpay.DeadlinesOf(ecpay.B2B, timeOf(string(i.InvoiceDate)), i.Invalid_Status == "1", i.Upload_Status == uploaded)
	}
	return ecpay.Deadlines{}
}

// timeOf reads a time or a day of ECPay's, with dashes or slashes; zero for neither.
func timeOf(s string) time.Time {
	for _, form := range []string{time.DateTime, time.DateOnly, "2006/01/02 15:04:05", "2006/01/02"} {
		if t, err := time.ParseInLocation(form, s, ecpay.Taipei); err == nil {
			return t
		}
	}
	return time.Time{}
}
