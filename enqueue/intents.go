package enqueue

import "context"

// The first five have the names of their commands too.
type (
	TriggerIssue        = B2CTriggerIssue
	CancelDelayIssue    = B2CCancelDelayIssue
	Invalid             = B2BInvalid
	InvalidConfirm      = B2BInvalidConfirm
	GetAllowanceConfirm = B2BGetAllowanceConfirm
)

// TriggerIssue enqueues the issue of a staged invoice.
func (c *Client) TriggerIssue(ctx context.Context, p TriggerIssue, opts ...Option) (Receipt, error) {
	return c.Enqueue(ctx, &p, opts...)
}

// CancelDelayIssue enqueues the cancelling of a delayed invoice that is not issued.
func (c *Client) CancelDelayIssue(ctx context.Context, p CancelDelayIssue, opts ...Option) (Receipt, error) {
	return c.Enqueue(ctx, &p, opts...)
}

// Invalid enqueues the void of a B2B invoice.
func (c *Client) Invalid(ctx context.Context, p Invalid, opts ...Option) (Receipt, error) {
	return c.Enqueue(ctx, &p, opts...)
}

// InvalidConfirm enqueues the confirmation of a void that was received.
func (c *Client) InvalidConfirm(ctx context.Context, p InvalidConfirm, opts ...Option) (Receipt, error) {
	return c.Enqueue(ctx, &p, opts...)
}

// GetAllowanceConfirm enqueues the question whether an allowance is confirmed.
func (c *Client) GetAllowanceConfirm(ctx context.Context, p GetAllowanceConfirm, opts ...Option) (Receipt, error) {
	return c.Enqueue(ctx, &p, opts...)
}
