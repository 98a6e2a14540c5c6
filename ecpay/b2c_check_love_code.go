package ecpay

import "context"

var opB2CCheckLoveCode = Operation{
	Name: "CheckLoveCode", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CCheckLoveCodeRequest) },
	newResponse: func() Response { return new(B2CCheckLoveCodeResponse) },
}

// B2CCheckLoveCodeRequest asks whom a donation code belongs to (developers.ecpay.com.tw ?p=7891). It
// is advice: 9000001 means that the Ministry of Finance did not answer.
type B2CCheckLoveCodeRequest struct {
	MerchantID string
	// LoveCode is three to seven digits.
	LoveCode string
}

// Operation implements [Request].
func (*B2CCheckLoveCodeRequest) Operation() Operation { return opB2CCheckLoveCode }

// Merchant implements [Request].
func (r *B2CCheckLoveCodeRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CCheckLoveCodeRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.loveCode("LoveCode", &r.LoveCode)
	return c.err(opB2CCheckLoveCode)
}

// B2CCheckLoveCode asks whom a donation code belongs to.
func (c *Client) B2CCheckLoveCode(ctx context.Context, m *Merchant, r *B2CCheckLoveCodeRequest) (*B2CCheckLoveCodeResponse, error) {
	return call[B2CCheckLoveCodeResponse](ctx, c, m, r)
}

// B2CCheckLoveCodeResponse tells whether there is one.
type B2CCheckLoveCodeResponse struct {
	RtnStatus
	// IsExist is "Y" or "N".
	IsExist Text `json:",omitempty"`
	// OrganName is empty where IsExist is "N".
	OrganName Text `json:",omitempty"`
}
