package enqueue

import (
	"context"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
)

// The intents that can be stored: what ECPay's operation takes, and what lets a worker
// ask ECPay later what became of it.
type (
	B2CIssue                        = tasks.B2CIssue
	B2CTriggerIssue                 = tasks.B2CTriggerIssue
	B2CCancelDelayIssue             = tasks.B2CCancelDelayIssue
	B2CInvalid                      = tasks.B2CInvalid
	B2CAllowance                    = tasks.B2CAllowance
	B2CAllowanceByCollegiate        = tasks.B2CAllowanceByCollegiate
	B2CInvoiceNotify                = tasks.B2CInvoiceNotify
	B2CAllowanceInvalid             = tasks.B2CAllowanceInvalid
	B2BIssueConfirm                 = tasks.B2BIssueConfirm
	B2BReject                       = tasks.B2BReject
	B2BRejectConfirm                = tasks.B2BRejectConfirm
	B2BInvalid                      = tasks.B2BInvalid
	B2BInvalidConfirm               = tasks.B2BInvalidConfirm
	B2BAllowanceConfirm             = tasks.B2BAllowanceConfirm
	B2BCancelAllowance              = tasks.B2BCancelAllowance
	B2BCancelAllowanceConfirm       = tasks.B2BCancelAllowanceConfirm
	B2BNotify                       = tasks.B2BNotify
	B2BIssue                        = tasks.B2BIssue
	B2BAllowance                    = tasks.B2BAllowance
	B2CAllowanceInvalidByCollegiate = tasks.B2CAllowanceInvalidByCollegiate
	B2CVoidWithReIssue              = tasks.B2CVoidWithReIssue
	B2BVoidWithReIssue              = tasks.B2BVoidWithReIssue
	B2CDelayIssue                   = tasks.B2CDelayIssue
	B2CGetIssue                     = tasks.B2CGetIssue
	B2BGetAllowanceConfirm          = tasks.B2BGetAllowanceConfirm
)

// The lines of those that have some.
type (
	B2CInvoiceItem     = ecpay.B2CInvoiceItem
	B2CAllowanceItem   = ecpay.B2CAllowanceItem
	B2BIssueModel      = ecpay.B2BIssueModel
	B2CInvoice         = ecpay.B2CInvoice
	B2CVoidModel       = ecpay.B2CVoidModel
	B2CIssueModel      = ecpay.B2CIssueModel
	B2BVoidModel       = ecpay.B2BVoidModel
	B2BIssueItem       = ecpay.B2BIssueItem
	B2BAllowanceDetail = ecpay.B2BAllowanceDetail
)

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
