package tasks

import (
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Invoice is what names an invoice: later operations take it, and a buyer checks it.
type Invoice struct {
	// Number is two capital letters and eight digits.
	Number string `json:"number"`
	// Date is the day of issue in Asia/Taipei, YYYY-MM-DD.
	Date string `json:"date"`
	// RandomCode is four digits.
	RandomCode string `json:"random_code"`
}

// InvoiceOf returns the invoice that an answer of ECPay's to a write, or about it, shows; false where it
// shows none, or not all of it. An answer without a date is about an invoice that was issued on the
// day, in Asia/Taipei, which is empty where it is not known.
func InvoiceOf(p Payload, r ecpay.Response, day string) (Invoice, bool) {
	var number, date, random ecpay.Text
	switch r := r.(type) {
	case *ecpay.B2CGetIssueResponse:
		number, date, random = r.IIS_Number, r.IIS_Create_Date, r.IIS_Random_Number
	case *ecpay.B2CIssueResponse:
		number, date, random = r.InvoiceNo, r.InvoiceDate, r.RandomNumber
	case *ecpay.B2CVoidWithReIssueResponse:
		number, date, random = r.InvoiceNo, r.InvoiceDate, r.RandomNumber
	case *ecpay.B2BGetIssueResponse:
		i := r.RtnData.Value
		number, date, random = i.InvoiceNumber, i.InvoiceDate, i.RandomNumber
	case *ecpay.B2BIssueResponse:
		number, random = r.InvoiceNumber, r.RandomNumber
	case *ecpay.B2BVoidWithReIssueResponse:
		number, random = r.InvoiceNumber, r.RandomNumber
	}
	if p, ok := p.(reissuer); ok && date == "" {
		day = p.issuedOn()
	}
	if date != "" {
		day = strings.ReplaceAll(string(date), "/", "-")
		day = day[:min(len(day), len(time.DateOnly))]
	}
	i := Invoice{Number: string(number), Date: day, RandomCode: string(random)}
	_, err := time.Parse(time.DateOnly, day)
	return i, err == nil && ecpay.IsInvoiceNumber(i.Number) && len(random) == 4 && strings.Trim(i.RandomCode, "0123456789") == ""
}

// Days for which an invoice is asked for that ECPay does not show yet.
const (
	// lateDays is how many days after its day an invoice is asked for: ECPay does not tell the hour.
	lateDays = 3
	// anyDays is the same where the day is not known.
	anyDays = ecpay.MaxDelayDay + lateDays
)

// FollowOf returns the question by which the number of an invoice is found out that ECPay issues for a
// task, and how long after the answer with a code; 0 is the code of no answer. It is nil where nothing
// is known to ask by, where the invoice is not issued by itself, and where the answer shows the number.
func FollowOf(p Payload, code int64, tsrIsRelateNumber bool) (*B2CGetIssue, Delay) {
	i, ok := p.(issuer)
	if !ok {
		return nil, Delay{}
	}
	delay, ok := i.issues(code)
	if !ok {
		return nil, Delay{}
	}
	ask := AskOf(p, tsrIsRelateNumber)
	if ask == nil {
		return nil, Delay{}
	}
	q, ok := ask.Request.(*ecpay.B2CGetIssueRequest)
	if !ok {
		return nil, Delay{}
	}
	follow := &B2CGetIssue{MerchantID: q.MerchantID, RelateNumber: q.RelateNumber, Days: lateDays, TaskID: ID(p)}
	if !delay.Known {
		follow.Days = anyDays
	}
	return follow, delay
}

// FollowIDOf returns the id of the question that [FollowOf] returns for a task of an order, whichever task it is;
// false for what is no RelateNumber.
func FollowIDOf(merchantID, relateNumber string) (id string, ok bool) {
	p := &B2CGetIssue{MerchantID: merchantID, RelateNumber: relateNumber, Days: lateDays}
	if p.Validate() != nil {
		return "", false
	}
	p.TaskID = "any" // of which an id says no more than that there is one
	return ID(p), true
}

// FollowedBy returns the id of the task for which a query asks, empty for none.
func FollowedBy(p Payload) string {
	if f, ok := p.(follower); ok {
		return f.taskID()
	}
	return ""
}

// PatienceOf is for how long a query asks again for an invoice that is not issued yet, 0 for a query
// that asks once.
func PatienceOf(p Payload) time.Duration {
	if f, ok := p.(follower); ok {
		return time.Duration(f.days()) * 24 * time.Hour
	}
	return 0
}
