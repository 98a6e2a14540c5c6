package ecpay

import "context"

var opB2BMaintainMerchantCustomerData = Operation{
	Name: "MaintainMerchantCustomerData", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BMaintainMerchantCustomerDataResponse) },
}

// B2BMaintainMerchantCustomerDataRequest registers a counterparty, without whom Issue is
// refused (developers.ecpay.com.tw ?p=14830; archive mode ?p=29267). An unanswered Add is
// found out by sending it again: RtnCode 6160052 says that the counterparty exists. What
// ECPay answers to an Update or Delete of one that does not is unknown.
type B2BMaintainMerchantCustomerDataRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// Action is "Add", "Update" or "Delete".
	Action string
	// Identifier is the 統一編號 of the counterparty, eight digits.
	Identifier string
	// Type is "1" a buyer, "2" a seller, "3" both.
	Type string `json:"type"`
	// CompanyName has at most 60 characters and TradingSlang 20, by the page of a sibling
	// product (O'Pay), which requires them of every Action.
	CompanyName  string
	TradingSlang string
	// ExchangeMode is "0" archive (存證) or "1" exchange (交換).
	ExchangeMode string
	// EmailAddress may be several, with ";" between them, at most 80 characters.
	EmailAddress string
}

// Operation implements [Request].
func (*B2BMaintainMerchantCustomerDataRequest) Operation() Operation {
	return opB2BMaintainMerchantCustomerData
}

// Merchant implements [Request].
func (r *B2BMaintainMerchantCustomerDataRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BMaintainMerchantCustomerDataRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.oneOf("Action", &r.Action, "Add", "Update", "Delete")
	c.matching("Identifier", &r.Identifier, 8, eightDigits, "eight digits")
	c.oneOf("type", &r.Type, "1", "2", "3")
	c.text("CompanyName", &r.CompanyName, 60, true)
	c.text("TradingSlang", &r.TradingSlang, 20, true)
	c.oneOf("ExchangeMode", &r.ExchangeMode, "0", "1")
	c.text("EmailAddress", &r.EmailAddress, 80, true)
	return c.err(opB2BMaintainMerchantCustomerData)
}

// B2BMaintainMerchantCustomerData registers, changes or removes a counterparty.
func (c *Client) B2BMaintainMerchantCustomerData(
	ctx context.Context, m *Merchant, r *B2BMaintainMerchantCustomerDataRequest,
) (*B2BMaintainMerchantCustomerDataResponse, error) {
	return call[B2BMaintainMerchantCustomerDataResponse](ctx, c, m, r)
}

// B2BMaintainMerchantCustomerDataResponse has no fields of its own.
type B2BMaintainMerchantCustomerDataResponse struct{ RtnStatus }
