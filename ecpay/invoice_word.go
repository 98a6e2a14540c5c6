package ecpay

import (
	"encoding/json"
	"strconv"
)

// The UseStatus of a range of invoice numbers (字軌), by developers.ecpay.com.tw ?p=7881.
const (
	WordNew      Code = 1 // added, and not on yet
	WordInUse    Code = 2 // ECPay issues from it
	WordStopped  Code = 3
	WordPaused   Code = 4
	WordAwaiting Code = 5 // not approved yet
	WordRefused  Code = 6 // not approved
)

// GovInvoiceWordQuery asks for the ranges that the Ministry of Finance gave the merchant.
type GovInvoiceWordQuery struct {
	MerchantID string
	// InvoiceYear is a year of the Republic of China, like "115": last year's, this or the next.
	InvoiceYear string
}

// Merchant implements [Request].
func (r *GovInvoiceWordQuery) Merchant() string { return r.MerchantID }

func (r *GovInvoiceWordQuery) validate(op Operation) error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceYear(&r.InvoiceYear)
	return c.err(op)
}

// InvoiceWordQuery asks for ranges of invoice numbers that the merchant has at ECPay.
type InvoiceWordQuery struct {
	MerchantID string
	// InvoiceYear is a year of the Republic of China, like "115": last year's, this or the next.
	InvoiceYear string
	// InvoiceTerm is 1 for January and February to 6 for November and December, 0 for all. A client
	// saw no more than the first 100 ranges for 0: ask for one term to be sure of it.
	InvoiceTerm int
	// UseStatus is one of [WordNew] to [WordRefused], 0 for all.
	UseStatus int
	// InvoiceCategory is 1 in B2C and 2 in B2B; 0 becomes this.
	InvoiceCategory int
	// InvType is "07" general, "08" special, or empty for both.
	InvType string `json:",omitempty"`
	// InvoiceHeader is two capital letters, or empty for all.
	InvoiceHeader string `json:",omitempty"`
}

// Merchant implements [Request].
func (r *InvoiceWordQuery) Merchant() string { return r.MerchantID }

// invoiceCategory is what word settings call a category.
func (op Operation) invoiceCategory() int {
	if op.Category == B2B {
		return 2
	}
	return 1
}

func (r *InvoiceWordQuery) validate(op Operation) error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceYear(&r.InvoiceYear)
	c.between("InvoiceTerm", r.InvoiceTerm, 0, 6)
	c.between("UseStatus", r.UseStatus, 0, 6)
	if r.InvoiceCategory == 0 {
		r.InvoiceCategory = op.invoiceCategory()
	}
	c.between("InvoiceCategory", r.InvoiceCategory, op.invoiceCategory(), op.invoiceCategory())
	if r.InvType != "" {
		c.oneOf("InvType", &r.InvType, "07", "08")
	}
	if r.InvoiceHeader != "" {
		c.invoiceHeader(&r.InvoiceHeader)
	}
	return c.err(op)
}

// NewInvoiceWord is a range of invoice numbers that the Ministry of Finance gave, for ECPay to issue
// from. It is new, [WordNew], until UpdateInvoiceWordStatus turns it on.
type NewInvoiceWord struct {
	MerchantID string
	// InvoiceTerm is 1 for January and February to 6 for November and December, this one or a later.
	InvoiceTerm int
	// InvoiceYear is a year of the Republic of China, like "115": this or the next.
	InvoiceYear string
	// InvType is "07" general or "08" special.
	InvType string
	// InvoiceCategory is "1" in B2C and "2" in B2B; empty becomes this.
	InvoiceCategory string
	// InvoiceHeader is two capital letters.
	InvoiceHeader string
	// InvoiceStart is eight digits that end in 00 or 50.
	InvoiceStart string
	// InvoiceEnd is eight digits that end in 49 or 99, after InvoiceStart.
	InvoiceEnd string
}

// Merchant implements [Request].
func (r *NewInvoiceWord) Merchant() string { return r.MerchantID }

func (r *NewInvoiceWord) validate(op Operation) error {
	var c check
	c.merchantID(&r.MerchantID)
	c.between("InvoiceTerm", r.InvoiceTerm, 1, 6)
	c.invoiceYear(&r.InvoiceYear)
	c.oneOf("InvType", &r.InvType, "07", "08")
	own := strconv.Itoa(op.invoiceCategory())
	if r.InvoiceCategory == "" {
		r.InvoiceCategory = own
	}
	c.oneOf("InvoiceCategory", &r.InvoiceCategory, own)
	c.invoiceHeader(&r.InvoiceHeader)
	before := len(c.fields)
	c.matching("InvoiceStart", &r.InvoiceStart, 8, bookNumber("00", "50"), "eight digits that end in 00 or 50, like 10000000")
	c.matching("InvoiceEnd", &r.InvoiceEnd, 8, bookNumber("49", "99"), "eight digits that end in 49 or 99, like 10000049")
	if len(c.fields) == before && r.InvoiceEnd < r.InvoiceStart {
		c.fail("InvoiceEnd", "is before InvoiceStart")
	}
	return c.err(op)
}

// bookNumber is the first or last number of a book of fifty.
func bookNumber(ends ...string) func(string) bool {
	return func(s string) bool { return eightDigits(s) && (s[6:] == ends[0] || s[6:] == ends[1]) }
}

func (c *check) invoiceHeader(v *string) {
	c.matching("InvoiceHeader", v, 2, func(s string) bool { return len(s) == 2 && every(s, capital) }, "two capital letters")
}

// InvoiceWordStatus turns a range of invoice numbers on and off.
type InvoiceWordStatus struct {
	MerchantID string
	// TrackID is what AddInvoiceWordSetting answered, at most 10 letters and digits.
	TrackID string
	// InvoiceStatus is "2" on, "1" pause, or "0" stop: a range that is stopped is never turned on again,
	// by the page of a sibling product (O'Pay).
	InvoiceStatus json.Number
}

// Merchant implements [Request].
func (r *InvoiceWordStatus) Merchant() string { return r.MerchantID }

func (r *InvoiceWordStatus) validate(op Operation) error {
	var c check
	c.merchantID(&r.MerchantID)
	c.matching("TrackID", &r.TrackID, 10, alnumChars, "letters and digits")
	c.oneOf("InvoiceStatus", (*string)(&r.InvoiceStatus), "0", "1", "2")
	return c.err(op)
}
