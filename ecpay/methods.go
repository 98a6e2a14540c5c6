package ecpay

import "context"

// call gives [Client.Do] the response type of the operation.
func call[R any](ctx context.Context, c *Client, m *Merchant, req Request) (*R, error) {
	resp, err := c.Do(ctx, m, req)
	if err != nil {
		return nil, err
	}
	return any(resp).(*R), nil
}

// TriggerIssue starts the issue of a staged invoice.
func (c *Client) TriggerIssue(ctx context.Context, m *Merchant, r *TriggerIssueRequest) (*TriggerIssueResponse, error) {
	return call[TriggerIssueResponse](ctx, c, m, r)
}

// CancelDelayIssue cancels a delayed invoice that is not issued yet.
func (c *Client) CancelDelayIssue(ctx context.Context, m *Merchant, r *CancelDelayIssueRequest) (*CancelDelayIssueResponse, error) {
	return call[CancelDelayIssueResponse](ctx, c, m, r)
}

// DelayIssue stages a delayed invoice.
func (c *Client) DelayIssue(ctx context.Context, m *Merchant, r *DelayIssueRequest) (*DelayIssueResponse, error) {
	return call[DelayIssueResponse](ctx, c, m, r)
}

// B2CGetIssue asks for an issued B2C invoice.
func (c *Client) B2CGetIssue(ctx context.Context, m *Merchant, r *B2CGetIssueRequest) (*B2CGetIssueResponse, error) {
	return call[B2CGetIssueResponse](ctx, c, m, r)
}

// Invalid voids a B2B invoice.
func (c *Client) Invalid(ctx context.Context, m *Merchant, r *InvalidRequest) (*InvalidResponse, error) {
	return call[InvalidResponse](ctx, c, m, r)
}

// InvalidConfirm confirms a void that the merchant received.
func (c *Client) InvalidConfirm(ctx context.Context, m *Merchant, r *InvalidConfirmRequest) (*InvalidConfirmResponse, error) {
	return call[InvalidConfirmResponse](ctx, c, m, r)
}

// GetAllowanceConfirm asks whether an allowance is confirmed.
func (c *Client) GetAllowanceConfirm(ctx context.Context, m *Merchant, r *GetAllowanceConfirmRequest) (*GetAllowanceConfirmResponse, error) {
	return call[GetAllowanceConfirmResponse](ctx, c, m, r)
}

// B2BGetIssue asks for a B2B invoice.
func (c *Client) B2BGetIssue(ctx context.Context, m *Merchant, r *B2BGetIssueRequest) (*B2BGetIssueResponse, error) {
	return call[B2BGetIssueResponse](ctx, c, m, r)
}

// GetInvalid asks for the void of a B2B invoice.
func (c *Client) GetInvalid(ctx context.Context, m *Merchant, r *GetInvalidRequest) (*GetInvalidResponse, error) {
	return call[GetInvalidResponse](ctx, c, m, r)
}

// GetInvalidConfirm asks whether a void is confirmed.
func (c *Client) GetInvalidConfirm(ctx context.Context, m *Merchant, r *GetInvalidConfirmRequest) (*GetInvalidConfirmResponse, error) {
	return call[GetInvalidConfirmResponse](ctx, c, m, r)
}
