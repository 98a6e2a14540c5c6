package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bGetAllowanceConfirm = Type{
	newPayload: func() Payload { return new(B2BGetAllowanceConfirm) },
	Queue:      "query",
	Alias:      "get-allowance-confirm",
	Fields: []Field{
		merchantIDField, allowanceNoField,
		{
			Name: "UntilConfirmed", Shown: true,
			En:   "ask again until the allowance is confirmed or its upload failed",
			ZhTW: "持續查詢，直到折讓單已確認或上傳失敗",
		},
	},
	Wanted:     Anew,
	WaitsFor:   Counterparty,
	MaxPayload: 16 << 10, MaxResult: 8 << 10,
}

// B2BGetAllowanceConfirm is the payload of b2b:get_allowance_confirm, which asks whether
// an allowance is confirmed.
type B2BGetAllowanceConfirm struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceNo has at most 16 letters and digits.
	AllowanceNo string
	// UntilConfirmed asks again until the allowance is confirmed or its upload
	// failed. It is an intent of its own, with an id of its own. It is not sent.
	UntilConfirmed bool `json:",omitempty"`
}

// Request implements [Payload].
func (p *B2BGetAllowanceConfirm) Request() ecpay.Request { return p.request() }

func (p *B2BGetAllowanceConfirm) request() *ecpay.B2BGetAllowanceConfirmRequest {
	return &ecpay.B2BGetAllowanceConfirmRequest{MerchantID: p.MerchantID, AllowanceNo: p.AllowanceNo}
}

// Validate implements [Payload].
func (p *B2BGetAllowanceConfirm) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.AllowanceNo = r.MerchantID, r.AllowanceNo
	return err
}

func (p *B2BGetAllowanceConfirm) subject() []string {
	if p.UntilConfirmed {
		return []string{p.AllowanceNo, "until_confirmed"}
	}
	return []string{p.AllowanceNo}
}

func (p *B2BGetAllowanceConfirm) waits() bool { return p.UntilConfirmed }

// progress tells whether the allowance is confirmed.
func (*B2BGetAllowanceConfirm) progress(r ecpay.Response) Progress {
	resp, ok := r.(*ecpay.B2BGetAllowanceConfirmResponse)
	switch {
	case !ok || resp.Confirmed():
		return Settled
	case resp.UploadFailed():
		return Failed
	default:
		return Waiting
	}
}
