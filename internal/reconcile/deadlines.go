package reconcile

import (
	"encoding/json"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Deadlines are the last seconds in which something can, or has to, happen to an invoice. A field is nil where nothing has to any more, or
// where no rule is published.
type Deadlines struct {
	// VoidUntil is when ECPay stops to void it, see [ecpay.VoidDeadline]; of B2C only, since ECPay's pages of B2B name none.
	VoidUntil *time.Time `json:"void_until,omitempty"`
	// UploadDue is when the Ministry of Finance has to have it, see [ecpay.UploadDue].
	UploadDue *time.Time `json:"upload_due,omitempty"`
}

// DeadlinesOf returns those of an invoice by the time of its issue, zero for one that is not known.
func DeadlinesOf(c ecpay.Category, issued time.Time, voided, uploaded bool) Deadlines {
	var d Deadlines
	if issued.IsZero() {
		return d
	}
	if !voided && c == ecpay.B2C {
		d.VoidUntil = new(ecpay.VoidDeadline(issued))
	}
	if !uploaded {
		d.UploadDue = new(ecpay.UploadDue(c, issued))
	}
	return d
}

// uploaded is the status of an upload that has happened, in both categories.
const uploaded = "1"

// Deadlines are those of an invoice in ECPay's list.
func (i Invoice) Deadlines() Deadlines {
	return DeadlinesOf(ecpay.B2C, i.Created, i.Voided, i.Upload == uploaded && !i.UploadFailed())
}

// DeadlinesOfAnswer returns those of the invoice that an answer of GetIssue is about, none of other answers.
func DeadlinesOfAnswer(answer ecpay.Response) Deadlines {
	switch r := answer.(type) {
	case *ecpay.B2CGetIssueResponse:
		return InvoiceOf(r.B2CIssued).Deadlines()
	case *ecpay.B2BGetIssueResponse:
		i := r.RtnData.Value
		return DeadlinesOf(ecpay.B2B, timeOf(string(i.InvoiceDate)), i.Invalid_Status == "1", i.Upload_Status == uploaded)
	}
	return Deadlines{}
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

// DeadlinesOfResult returns those of the invoice that the answer of an issue names; none of other operations. An answer
// of B2B names no date.
func DeadlinesOfResult(op ecpay.Operation, result []byte) Deadlines {
	var answer said
	if op.String() != "B2C Issue" && op.String() != "B2C VoidWithReIssue" || json.Unmarshal(result, &answer) != nil {
		return Deadlines{}
	}
	return DeadlinesOf(op.Category, timeOf(string(answer.InvoiceDate)), false, false)
}
