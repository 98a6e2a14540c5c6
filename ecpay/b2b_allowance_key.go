package ecpay

// AllowanceKey addresses one B2B allowance in a query.
type AllowanceKey struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceNo has at most 16 letters and digits; those of Allowance have 16 digits.
	AllowanceNo string
}

// Merchant implements [Request].
func (k *AllowanceKey) Merchant() string { return k.MerchantID }

func (k *AllowanceKey) validate(op Operation) error {
	var c check
	c.merchantID(&k.MerchantID)
	c.allowanceNo(&k.AllowanceNo)
	return c.err(op)
}
