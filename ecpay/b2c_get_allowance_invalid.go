package ecpay

import "context"

var opB2CGetAllowanceInvalid = Operation{
	Name: "GetAllowanceInvalid", Category: B2C,
	Success:     []int64{1},
	newRequest:  func() Request { return new(B2CGetAllowanceInvalidRequest) },
	newResponse: func() Response { return new(B2CGetAllowanceInvalidResponse) },
}

// B2CGetAllowanceInvalidRequest asks for the void of an allowance by both its numbers
// (developers.ecpay.com.tw ?p=7943). That none is RtnCode 2, as in GetInvalid, is
// undocumented.
type B2CGetAllowanceInvalidRequest B2CGetAllowanceRequest

// Operation implements [Request].
func (*B2CGetAllowanceInvalidRequest) Operation() Operation { return opB2CGetAllowanceInvalid }

// Merchant implements [Request].
func (r *B2CGetAllowanceInvalidRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CGetAllowanceInvalidRequest) Validate() error {
	return (*B2CGetAllowanceRequest)(r).validate(opB2CGetAllowanceInvalid)
}

// B2CGetAllowanceInvalid asks for the void of an allowance.
func (c *Client) B2CGetAllowanceInvalid(
	ctx context.Context, m *Merchant, r *B2CGetAllowanceInvalidRequest,
) (*B2CGetAllowanceInvalidResponse, error) {
	return call[B2CGetAllowanceInvalidResponse](ctx, c, m, r)
}

// B2CGetAllowanceInvalidResponse is what ECPay holds of the void, without the buyer's
// data. Its times are yyyy-MM-dd HH:mm:ss in Asia/Taipei.
type B2CGetAllowanceInvalidResponse struct {
	RtnStatus
	AI_Allow_No   Text `json:",omitempty"` // ECPay's spelling
	AI_Invoice_No Text `json:",omitempty"`
	// AI_Allow_Date is when the allowance was made, AI_Date when it was voided.
	AI_Allow_Date Text `json:",omitempty"`
	AI_Date       Text `json:",omitempty"`
	Reason        Text `json:",omitempty"`
	// AI_Seller_Identifier is the seller's 統一編號.
	AI_Seller_Identifier Text `json:",omitempty"`
	// AI_Upload_Status is "1" once the void is at the Ministry of Finance.
	AI_Upload_Status Text `json:",omitempty"`
	AI_Upload_Date   Text `json:",omitempty"`
}

// Voided reports whether the answer shows a void of the allowance.
func (r *B2CGetAllowanceInvalidResponse) Voided() bool { return r.AI_Date != "" }
