package ecpay

import (
	"strconv"
	"time"
)

// VoidDeadline is the last second in which an invoice that was issued at the given time can be
// voided: 23:59:59 in Asia/Taipei on the 13th of the odd month that follows its period of two
// months (developers.ecpay.com.tw ?p=22081, of B2C; ECPay's pages of B2B state none, and the
// periods are the tax office's for both). After it the invoice takes an allowance instead.
// Whether the day is put off where it is a holiday is not documented, so it is not here.
func VoidDeadline(issued time.Time) time.Time {
	day := issued.In(Taipei)
	// January is the first month of a period and so every odd month: the next period begins one
	// month after an even month and two after an odd one. Month 13 is January of the next year.
	return endOfDay(day.Year(), day.Month()+1+day.Month()%2, 13)
}

// uploadDays are the days within which an invoice has to be at the Ministry of Finance, counted
// from the day after its issue: the tax office's rule since 2025-01-01.
var uploadDays = map[Category]int{B2C: 2, B2B: 7}

// UploadDue is the last second in which an invoice that was issued at the given time has to be
// uploaded to the Ministry of Finance: the end of the second day after that of its issue in
// B2C, of the seventh in B2B, in Asia/Taipei. ECPay uploads by itself, within 48 hours and 7
// days, and IIS_Upload_Status of GetIssue tells whether it has.
func UploadDue(c Category, issued time.Time) time.Time {
	day := issued.In(Taipei)
	return endOfDay(day.Year(), day.Month(), day.Day()+uploadDays[c])
}

// endOfDay is the last second of a day in Asia/Taipei; months and days beyond the last count on.
func endOfDay(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 23, 59, 59, 0, Taipei)
}

// InvoiceTermOf is the year of the Republic of China, like "115", and the term of two months, 1
// for January and February to 6 for November and December, in which an invoice is issued at the
// given time, by Asia/Taipei: what the ranges of invoice numbers (字軌) are for.
func InvoiceTermOf(issued time.Time) (year string, term int) {
	day := issued.In(Taipei)
	return strconv.Itoa(day.Year() - 1911), (int(day.Month()) + 1) / 2
}

// Deadlines are the last seconds in which something can, or has to, happen to an invoice. A field is nil where nothing has to any more, or
// where no rule is published.
type Deadlines struct {
	// VoidUntil is when ECPay stops to void it, see [VoidDeadline]; of B2C only, since ECPay's pages of B2B name none.
	VoidUntil *time.Time `json:"void_until,omitempty"`
	// UploadDue is when the Ministry of Finance has to have it, see [UploadDue].
	UploadDue *time.Time `json:"upload_due,omitempty"`
}

// DeadlinesOf returns those of an invoice by the time of its issue, zero for one that is not known.
func DeadlinesOf(c Category, issued time.Time, voided, uploaded bool) Deadlines {
	var d Deadlines
	if issued.IsZero() {
		return d
	}
	if !voided && c == B2C {
		d.VoidUntil = new(VoidDeadline(issued))
	}
	if !uploaded {
		d.UploadDue = new(UploadDue(c, issued))
	}
	return d
}
