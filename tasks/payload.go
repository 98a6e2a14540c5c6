package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/exactjson"
)

// Payload is what a task stores: an ECPay request and what lets us ask about it.
type Payload interface {
	// Request returns exactly what ECPay is sent.
	Request() ecpay.Request
	// Validate normalises the fields in place and returns nil or an
	// [*ecpay.ValidationError].
	Validate() error
	// Ask returns how to find out whether the write took effect, nil when nothing
	// that is known can be asked by.
	Ask(tsrIsRelateNumber bool) *Ask
	// Delay returns when the effect can be seen.
	Delay() Delay
	// Progress judges an answer of the success set.
	Progress(ecpay.Response) Progress
	// subject returns the fields that, after type and MerchantID, make the id.
	subject() []string
}

// TriggerIssue is the payload of b2c:trigger_issue.
type TriggerIssue struct {
	ecpay.TriggerIssueRequest
	Asking
	// DelayDay is the delay given to DelayIssue, 0 to 15 days, nil when unknown.
	// It is not sent to ECPay.
	DelayDay *int `json:",omitempty"`
}

// CancelDelayIssue is the payload of b2c:cancel_delay_issue.
type CancelDelayIssue struct {
	ecpay.CancelDelayIssueRequest
	Asking
}

// Asking is what lets a worker ask ECPay about a Tsr. It is not sent with the
// write itself.
type Asking struct {
	// RelateNumber is the shop's own number given to DelayIssue, at most 50
	// characters; empty when unknown.
	RelateNumber string `json:",omitempty"`
}

// Invalid is the payload of b2b:invalid.
type Invalid struct{ ecpay.InvalidRequest }

// InvalidConfirm is the payload of b2b:invalid_confirm.
type InvalidConfirm struct{ ecpay.InvalidConfirmRequest }

// GetAllowanceConfirm is the payload of b2b:get_allowance_confirm.
type GetAllowanceConfirm struct {
	ecpay.GetAllowanceConfirmRequest
	// UntilConfirmed asks again until the allowance is confirmed or its upload
	// failed. It is an intent of its own, with an id of its own.
	UntilConfirmed bool `json:",omitempty"`
}

// Request implements [Payload].
func (p *TriggerIssue) Request() ecpay.Request        { return &p.TriggerIssueRequest }
func (p *CancelDelayIssue) Request() ecpay.Request    { return &p.CancelDelayIssueRequest }
func (p *Invalid) Request() ecpay.Request             { return &p.InvalidRequest }
func (p *InvalidConfirm) Request() ecpay.Request      { return &p.InvalidConfirmRequest }
func (p *GetAllowanceConfirm) Request() ecpay.Request { return &p.GetAllowanceConfirmRequest }

func (p *TriggerIssue) subject() []string     { return []string{p.Tsr} }
func (p *CancelDelayIssue) subject() []string { return []string{p.Tsr} }
func (p *Invalid) subject() []string          { return []string{p.InvoiceNumber, p.InvoiceDate} }
func (p *InvalidConfirm) subject() []string   { return []string{p.InvoiceNumber, p.InvoiceDate} }
func (p *GetAllowanceConfirm) subject() []string {
	if p.UntilConfirmed {
		return []string{p.AllowanceNo, "until_confirmed"}
	}
	return []string{p.AllowanceNo}
}

// Validate implements [Payload].
func (p *TriggerIssue) Validate() error {
	var extra []ecpay.FieldError
	if d := p.DelayDay; d != nil && (*d < 0 || *d > ecpay.MaxDelayDay) {
		extra = append(extra, ecpay.FieldError{Field: "DelayDay", Problem: fmt.Sprintf("is %d, 0 to %d days are allowed", *d, ecpay.MaxDelayDay)})
	}
	return join(p.Request(), append(p.problems(), extra...))
}

// Validate implements [Payload].
func (p *CancelDelayIssue) Validate() error { return join(p.Request(), p.problems()) }

func (a *Asking) problems() []ecpay.FieldError {
	if a.RelateNumber = strings.TrimSpace(a.RelateNumber); a.RelateNumber == "" {
		return nil
	}
	return ecpay.ValidCode("RelateNumber", a.RelateNumber, 50)
}

// join validates the request and adds the problems of the fields beside it.
func join(req ecpay.Request, extra []ecpay.FieldError) error {
	err := req.Validate()
	if len(extra) == 0 {
		return err
	}
	all := &ecpay.ValidationError{Op: req.Operation().Name}
	var v *ecpay.ValidationError
	if errors.As(err, &v) {
		all.Fields = append(all.Fields, v.Fields...)
	}
	all.Fields = append(all.Fields, extra...)
	return all
}

// MaxPayload bounds a payload, in bytes. The largest valid one has under 2 KiB.
const MaxPayload = 16 << 10

// Errors of [Decode].
var (
	// ErrUnknownType means that this version knows no such task type.
	ErrUnknownType = errors.New("unknown task type")
	// ErrNewerSchema means that a newer version wrote the task.
	ErrNewerSchema = errors.New("written by a newer version")
	// ErrCorrupt means that the stored bytes are no payload of the type.
	ErrCorrupt = errors.New("corrupt payload")
)

// Encode returns the stored form of a payload.
func Encode(p Payload) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// Decode is the inverse of [Encode], for bytes that may be anything. An unknown
// type or newer schema is to be held for a worker that knows it; corrupt bytes
// will not heal. A field that is not known, is written in another case or is there
// twice makes the payload corrupt: to drop it silently, or to choose, could change
// what is asked for. What [Encode] ever wrote has none of these. An [ErrCorrupt] of
// the JSON wraps an [*exactjson.Error], which quotes no value.
func Decode(typeName string, headers map[string]string, payload []byte) (Payload, error) {
	if err := checkSchema(headers); err != nil {
		return nil, err
	}
	t, ok := ByName(typeName)
	if !ok {
		return nil, fmt.Errorf("%w %q", ErrUnknownType, clip(typeName))
	}
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrCorrupt, len(payload), MaxPayload)
	}
	p := t.New()
	if err := exactjson.Unmarshal(payload, p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return p, nil
}

func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// Differs names the fields in which two payloads of one type differ, in the
// order of the type's fields; empty when they ask for the same.
func Differs(a, b Payload) []string {
	var names []string
	va, vb := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	if va.Type() != vb.Type() {
		return []string{"type"}
	}
	for _, f := range reflect.VisibleFields(va.Type()) {
		if !f.Anonymous && !reflect.DeepEqual(va.FieldByIndex(f.Index).Interface(), vb.FieldByIndex(f.Index).Interface()) {
			names = append(names, f.Name)
		}
	}
	return names
}
