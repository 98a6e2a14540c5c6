package reconcile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Question is what is compared.
type Question struct {
	MerchantID string
	// Day is the beginning of the day, in Asia/Taipei.
	Day time.Time
	// ListedAt is when ECPay's list was begun to be read: what ended after it need not be in it.
	ListedAt time.Time
	// TsrIsRelateNumber means that the shop uses one number for both, so that a Tsr is looked for as a RelateNumber.
	TsrIsRelateNumber bool
}

func (q Question) day() string { return q.Day.Format(time.DateOnly) }

// Invoice is one in ECPay's list.
type Invoice struct {
	Number, RelateNumber string
	// Created is when it was issued, zero where ECPay's text cannot be read.
	Created time.Time
	Voided  bool
	// Upload and Turnkey are IIS_Upload_Status ("1": uploaded) and IIS_Turnkey_Status ("C" taken, "E" failed, "G" and "P"
	// under way), as ECPay has them.
	Upload, Turnkey string
}

// InvoiceOf reads one of ECPay's list.
func InvoiceOf(i ecpay.B2CIssued) Invoice {
	return Invoice{
		Number: string(i.IIS_Number), RelateNumber: string(i.IIS_Relate_Number), Created: timeOf(string(i.IIS_Create_Date)),
		Voided: i.IIS_Invalid_Status == "1", Upload: string(i.IIS_Upload_Status), Turnkey: string(i.IIS_Turnkey_Status),
	}
}

// UploadFailed reports whether ECPay says that the upload failed. "E" is documented for B2C; "2" is so for B2B, and would
// mean nothing else here.
func (i Invoice) UploadFailed() bool { return i.Turnkey == "E" || i.Upload == "2" }

// pairs is which order is whose.
type pairs struct {
	of       map[int]*Order // by the place of the invoice in the list
	twin     map[int]string // the number of the invoice that has the same RelateNumber and is the order's
	unpaired []*Order
}

// pair finds the order of each invoice: by its number, its RelateNumber, or a Tsr that is the same where the record does
// not have the RelateNumber. An order has one invoice.
func pair(theirs []Invoice, ours Ours) pairs {
	byNumber, byRelate, byTsr := map[string]*Order{}, map[string]*Order{}, map[string]*Order{}
	note := func(m map[string]*Order, key string, o *Order) {
		if key != "" && (m[key] == nil || m[key].Standing < o.Standing) {
			m[key] = o
		}
	}
	for _, o := range ours.Orders {
		note(byNumber, o.Number, o)
		note(byRelate, strings.ToUpper(o.RelateNumber), o)
		if o.RelateNumber == "" {
			note(byTsr, strings.ToUpper(o.Tsr), o)
		}
	}
	p := pairs{of: map[int]*Order{}, twin: map[int]string{}}
	taken := map[*Order]string{}
	give := func(find func(Invoice) *Order) {
		for n := range theirs {
			i := theirs[len(theirs)-1-n] // the oldest comes last in ECPay's list
			o := find(i)
			if o == nil || p.of[len(theirs)-1-n] != nil {
				continue
			}
			if other, ok := taken[o]; ok {
				p.twin[len(theirs)-1-n] = other
				continue
			}
			p.of[len(theirs)-1-n], taken[o] = o, i.Number
		}
	}
	give(func(i Invoice) *Order { return byNumber[i.Number] })
	give(func(i Invoice) *Order { return byRelate[strings.ToUpper(i.RelateNumber)] })
	give(func(i Invoice) *Order { return byTsr[strings.ToUpper(i.RelateNumber)] })
	for _, o := range ours.Orders {
		if _, ok := taken[o]; !ok {
			p.unpaired = append(p.unpaired, o)
		}
	}
	return p
}

// nameless reports whether nothing is known of an order by which ECPay's list could have it.
func (q Question) nameless(o *Order) bool {
	return o.Number == "" && o.RelateNumber == "" && !(q.TsrIsRelateNumber && o.Tsr != "")
}

// Compare compares ECPay's list of a day with what the record has of it.
func Compare(q Question, theirs []Invoice, ours Ours) []Finding {
	p := pair(theirs, ours)
	var all []Finding
	if ours.From.After(q.Day) {
		all = append(all, q.finding(NotJudged).saying(textGone(ours.From)))
	}
	nameless := 0
	for _, o := range p.unpaired {
		if q.nameless(o) && o.Standing != Dead {
			nameless++
		}
		all = append(all, q.missing(o)...)
	}
	for n, i := range theirs {
		o := p.of[n]
		f := q.about(i)
		if o == nil || o.Standing == Dead {
			all = append(all, q.unexpected(f, i, o, p.twin[n], nameless, ours.From))
		} else {
			f.TaskID = o.TaskID
		}
		all = append(all, q.upload(f, i)...)
		all = append(all, q.voids(f, i, ours)...)
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(slices.Index(Kinds(), a.Kind)-slices.Index(Kinds(), b.Kind),
			strings.Compare(a.InvoiceNumber, b.InvoiceNumber), strings.Compare(a.TaskID, b.TaskID))
	})
	return all
}

func (q Question) finding(k Kind) Finding {
	return Finding{Kind: k, MerchantID: q.MerchantID, Day: q.day()}
}

func (q Question) about(i Invoice) Finding {
	f := q.finding("")
	f.RelateNumber, f.InvoiceNumber, f.Deadlines = i.RelateNumber, i.Number, i.Deadlines()
	if !i.Created.IsZero() {
		f.InvoiceDate = taipei(i.Created)
	}
	return f
}

// missing is what is to say of an order that ECPay's list does not have.
func (q Question) missing(o *Order) []Finding {
	if o.Standing != Done || o.Day != q.day() || o.At.After(q.ListedAt.Add(-clockMargin)) {
		return nil
	}
	f := q.finding(Missing)
	f.RelateNumber, f.InvoiceNumber, f.InvoiceDate, f.TaskID = o.RelateNumber, o.Number, o.Day, o.TaskID
	if q.nameless(o) {
		f.Kind = NotJudged
		return []Finding{f.saying(textNameless(o))}
	}
	return []Finding{f.saying(textMissing)}
}

// unexpected is what is to say of an invoice without an order, or with one whose task is dead.
func (q Question) unexpected(f Finding, i Invoice, o *Order, twin string, nameless int, from time.Time) Finding {
	f.Kind = Unexpected
	switch {
	case twin != "":
		return f.saying(textTwin(twin))
	case o != nil:
		f.TaskID = o.TaskID
		return f.saying(textDead(o.TaskID))
	case i.Created.Before(from):
		f.Kind = NotJudged
		return f.saying(textBefore(from))
	case nameless > 0:
		f.Kind = NotJudged
		return f.saying(textPerhaps(nameless))
	case from.After(q.Day.Add(-longestDelay)):
		return f.saying(textUnexpected.And(textDelayed(from)))
	}
	return f.saying(textUnexpected)
}

// upload is what is to say of the upload of an invoice.
func (q Question) upload(f Finding, i Invoice) []Finding {
	switch due := f.UploadDue; {
	case i.UploadFailed():
		f.Kind = UploadFailed
		return []Finding{f.saying(textUploadFailed(i))}
	case due != nil && q.ListedAt.After(*due):
		f.Kind = UploadOverdue
		return []Finding{f.saying(textUploadOverdue(i, *due))}
	}
	return nil
}

// voids is what is to say of the void of an invoice.
func (q Question) voids(f Finding, i Invoice, ours Ours) []Finding {
	v := ours.Voids[i.Number]
	switch {
	case i.Voided && v.Standing == Dead:
		f.Kind, f.TaskID = VoidedElsewhere, v.TaskID
		return []Finding{f.saying(textVoidDead(v.TaskID))}
	case i.Voided && v.Standing == Unknown:
		f.Kind = VoidedElsewhere
		return []Finding{f.saying(textVoidedElsewhere)}
	case !i.Voided && v.Standing == Done && v.At.Before(q.ListedAt.Add(-clockMargin)):
		f.Kind, f.TaskID = NotVoided, v.TaskID
		return []Finding{f.saying(textNotVoided)}
	}
	return nil
}
