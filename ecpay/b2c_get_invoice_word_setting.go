package ecpay

import "context"

var opB2CGetInvoiceWordSetting = Operation{
	Name: "GetInvoiceWordSetting", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CGetInvoiceWordSettingRequest) },
	newResponse: func() Response { return new(B2CGetInvoiceWordSettingResponse) },
}

// B2CGetInvoiceWordSettingRequest asks for the ranges of invoice numbers (字軌) that the merchant has at
// ECPay (developers.ecpay.com.tw ?p=7881). RtnCode 7 means that there is none.
type B2CGetInvoiceWordSettingRequest struct {
	MerchantID string
	// InvoiceYear is a year of the Republic of China, like "115".
	InvoiceYear string
	// InvoiceTerm is 1 for January and February to 6 for November and December, 0 for all.
	InvoiceTerm int
	// UseStatus is 1 new, 2 in use, 3 stopped, 4 paused, 5 waiting for approval, 6 not approved, 0 all.
	UseStatus int
	// InvoiceCategory is always 1, B2C; 0 becomes this.
	InvoiceCategory int
	// InvType is "07" general, "08" special, or empty for both.
	InvType string `json:",omitempty"`
	// InvoiceHeader is two capital letters, or empty for all.
	InvoiceHeader string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2CGetInvoiceWordSettingRequest) Operation() Operation { return opB2CGetInvoiceWordSetting }

// Merchant implements [Request].
func (r *B2CGetInvoiceWordSettingRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CGetInvoiceWordSettingRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceYear(&r.InvoiceYear)
	c.between("InvoiceTerm", r.InvoiceTerm, 0, 6)
	c.between("UseStatus", r.UseStatus, 0, 6)
	if r.InvoiceCategory == 0 {
		r.InvoiceCategory = 1
	}
	c.between("InvoiceCategory", r.InvoiceCategory, 1, 1)
	if r.InvType != "" {
		c.oneOf("InvType", &r.InvType, "07", "08")
	}
	if r.InvoiceHeader != "" {
		c.matching("InvoiceHeader", &r.InvoiceHeader, 2, func(s string) bool { return len(s) == 2 && every(s, capital) }, "two capital letters")
	}
	return c.err(opB2CGetInvoiceWordSetting)
}

// B2CGetInvoiceWordSetting asks for the ranges that the merchant has at ECPay.
func (c *Client) B2CGetInvoiceWordSetting(
	ctx context.Context, m *Merchant, r *B2CGetInvoiceWordSettingRequest,
) (*B2CGetInvoiceWordSettingResponse, error) {
	return call[B2CGetInvoiceWordSettingResponse](ctx, c, m, r)
}

// B2CGetInvoiceWordSettingResponse lists the ranges.
type B2CGetInvoiceWordSettingResponse struct {
	RtnStatus
	InvoiceInfo Nested[[]UsedInvoiceWord]
}

// UsedInvoiceWord is a range of invoice numbers as ECPay issues from it.
type UsedInvoiceWord struct {
	// TrackID is what UpdateInvoiceWordStatus knows the range by.
	TrackID     Text `json:",omitempty"`
	InvoiceYear Text `json:",omitempty"`
	InvoiceWord
	// InvoiceNo is the current one of its numbers.
	InvoiceNo Text `json:",omitempty"`
	// UseStatus is 1 new, 2 in use, 3 stopped, 4 paused, 5 waiting for approval, 6 not approved.
	UseStatus Code `json:",omitempty"`
}
