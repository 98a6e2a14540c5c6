package ecpay

var opGetInvalidConfirm = Operation{
	Name: "GetInvalidConfirm", Category: B2B,
	Success:     []int64{1},
	newResponse: func() Response { return new(GetInvalidConfirmResponse) },
}

// GetInvalidConfirmRequest asks whether a void is confirmed (developers.ecpay.com.tw ?p=14953).
type GetInvalidConfirmRequest struct{ InvoiceKey }

// Operation implements [Request].
func (*GetInvalidConfirmRequest) Operation() Operation { return opGetInvalidConfirm }

// Validate implements [Request].
func (r *GetInvalidConfirmRequest) Validate() error { return r.validate(opGetInvalidConfirm) }

// GetInvalidConfirmResponse is what ECPay holds of the confirmation.
type GetInvalidConfirmResponse struct {
	Outcome
	RtnData Nested[VoidConfirm]
}

// VoidConfirm is the RtnData of GetInvalidConfirm.
type VoidConfirm struct {
	InvoiceNumber Text
	CancelDate    Text
	// ConfirmDate is empty as long as nobody has confirmed.
	ConfirmDate   Text
	Upload_Status Text // ECPay's spelling
}
