package ecpay

import "context"

var opB2CCheckBarcode = Operation{
	Name: "CheckBarcode", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CCheckBarcodeRequest) },
	newResponse: func() Response { return new(B2CCheckBarcodeResponse) },
}

// B2CCheckBarcodeRequest asks whether a mobile barcode carrier exists (developers.ecpay.com.tw
// ?p=7886). It is advice: 9000001 means that the Ministry of Finance did not answer.
type B2CCheckBarcodeRequest struct {
	MerchantID string
	// BarCode is a slash and seven of 0-9, A-Z, "+", "-" and ".".
	BarCode string
}

// Operation implements [Request].
func (*B2CCheckBarcodeRequest) Operation() Operation { return opB2CCheckBarcode }

// Merchant implements [Request].
func (r *B2CCheckBarcodeRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CCheckBarcodeRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.mobileBarcode("BarCode", &r.BarCode)
	return c.err(opB2CCheckBarcode)
}

// B2CCheckBarcode asks whether a mobile barcode carrier exists.
func (c *Client) B2CCheckBarcode(ctx context.Context, m *Merchant, r *B2CCheckBarcodeRequest) (*B2CCheckBarcodeResponse, error) {
	return call[B2CCheckBarcodeResponse](ctx, c, m, r)
}

// B2CCheckBarcodeResponse tells whether it does.
type B2CCheckBarcodeResponse struct {
	RtnStatus
	// IsExist is "Y" or "N".
	IsExist Text `json:",omitempty"`
}
