package ecpay

var opGetAllowanceConfirm = Operation{
	Name: "GetAllowanceConfirm", Category: B2B,
	Success:     []int64{1},
	newResponse: func() Response { return new(GetAllowanceConfirmResponse) },
}

// GetAllowanceConfirmRequest asks whether a B2B allowance is confirmed
// (developers.ecpay.com.tw ?p=14973).
type GetAllowanceConfirmRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceNo has at most 16 letters and digits.
	AllowanceNo string
}

// Operation implements [Request].
func (*GetAllowanceConfirmRequest) Operation() Operation { return opGetAllowanceConfirm }

// Merchant implements [Request].
func (r *GetAllowanceConfirmRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *GetAllowanceConfirmRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.matching("AllowanceNo", &r.AllowanceNo, 16, alnumChars, "letters and digits")
	return c.err(opGetAllowanceConfirm)
}

// GetAllowanceConfirmResponse tells the state of the confirmation.
type GetAllowanceConfirmResponse struct {
	Outcome
	RtnData Nested[AllowanceConfirm]
}

// AllowanceConfirm is the RtnData of GetAllowanceConfirm.
type AllowanceConfirm struct {
	MerchantID        Text
	Seller_Identifier Text // ECPay's spelling
	Buyer_Identifier  Text
	AllowanceDate     Text
	// ConfirmDate is empty as long as nobody has confirmed.
	ConfirmDate Text
	// Upload_Status is "0" not uploaded, "1" uploaded, "2" failed, or empty.
	Upload_Status Text
	Upload_Date   Text
	ConfirmRemark Text
}

// Confirmed reports whether the counterparty has confirmed the allowance.
func (r *GetAllowanceConfirmResponse) Confirmed() bool {
	return r.RtnData.Present && r.RtnData.Value.ConfirmDate != ""
}

// UploadFailed reports Upload_Status 2, which is final and not "pending".
func (r *GetAllowanceConfirmResponse) UploadFailed() bool {
	return r.RtnData.Present && r.RtnData.Value.Upload_Status == "2"
}
