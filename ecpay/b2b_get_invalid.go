package ecpay

var opGetInvalid = Operation{
	Name: "GetInvalid", Category: B2B,
	Success:     []int64{1},
	newResponse: func() Response { return new(GetInvalidResponse) },
}

// GetInvalidRequest asks for the void of a B2B invoice (developers.ecpay.com.tw ?p=14948).
type GetInvalidRequest struct{ InvoiceKey }

// Operation implements [Request].
func (*GetInvalidRequest) Operation() Operation { return opGetInvalid }

// Validate implements [Request].
func (r *GetInvalidRequest) Validate() error { return r.validate(opGetInvalid) }

// GetInvalidResponse is what ECPay holds of the void.
type GetInvalidResponse struct {
	Outcome
	RtnData Nested[Void]
}

// Void is the RtnData of GetInvalid.
type Void struct {
	InvoiceNumber Text
	// CancelDate and CancelTime tell when the invoice was voided, empty if it is not.
	CancelDate    Text
	CancelTime    Text
	CancelReason  Text
	Upload_Status Text // ECPay's spelling
	// ConfirmDate is empty until the counterparty confirms.
	ConfirmDate    Text
	ExchangeStatus Text
}
