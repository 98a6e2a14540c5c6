package tasks

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Type is one row of the table of task types.
type Type struct {
	// Name is asynq's type name, like "b2c:trigger_issue".
	Name string
	// Queue is asynq's queue.
	Queue string
	// Operation is the ECPay operation that the task carries out.
	Operation ecpay.Operation
	// Ahead means that the task does not stand in line behind the merchant's others:
	// a cancel races the hour of issue.
	Ahead bool

	newPayload func() Payload
	idPrefix   string
}

// Queues with their weights: how often each is looked at first. Cancel goes
// ahead, since it races the hour of issue; queries come last.
func Queues() map[string]int {
	return map[string]int{
		"cancel_delay_issue": 6,
		"trigger_issue":      5,
		"invalid":            3,
		"invalid_confirm":    3,
		"query":              1,
	}
}

// Types returns the table of task types.
func Types() []Type { return slices.Clone(table()) }

// table is made once: it is looked at for every task, several times.
var table = sync.OnceValue(func() []Type {
	rows := []Type{
		newType("trigger_issue", func() Payload { return new(B2CTriggerIssue) }),
		newType("cancel_delay_issue", func() Payload { return new(B2CCancelDelayIssue) }),
		newType("invalid", func() Payload { return new(B2BInvalid) }),
		newType("invalid_confirm", func() Payload { return new(B2BInvalidConfirm) }),
		newType("query", func() Payload { return new(B2BGetAllowanceConfirm) }),
	}
	for i := range rows {
		rows[i].Ahead = rows[i].Queue == "cancel_delay_issue"
	}
	return rows
})

func newType(queue string, newPayload func() Payload) Type {
	op := newPayload().Request().Operation()
	category, name := strings.ToLower(string(op.Category)), words(op.Name, '_')
	return Type{
		Name: category + ":" + name, Queue: queue, Operation: op,
		newPayload: newPayload, idPrefix: category + "." + name,
	}
}

// TypeOf returns the row of a payload.
func TypeOf(p Payload) Type {
	op := p.Request().Operation()
	t, _ := find(func(t *Type) bool { return t.Operation.Name == op.Name && t.Operation.Category == op.Category })
	return t
}

// ByName returns the row of a type name.
func ByName(name string) (Type, bool) { return find(func(t *Type) bool { return t.Name == name }) }

func find(match func(*Type) bool) (Type, bool) {
	rows := table()
	for i := range rows {
		if match(&rows[i]) {
			return rows[i], true
		}
	}
	return Type{}, false
}

// Command is the name of the type on the command line, like "trigger-issue".
func (t Type) Command() string { return words(t.Operation.Name, '-') }

// New returns an empty payload of the type.
func (t Type) New() Payload { return t.newPayload() }

// FlagName is a field's name on the command line: InvoiceNumber becomes
// invoice-number.
func FlagName(field string) string { return words(field, '-') }

// words splits a CamelCase name into lower-case words: InvoiceNumber becomes
// invoice-number, MerchantID merchant-id.
func words(name string, sep rune) string {
	var b strings.Builder
	upper := true
	for i, r := range name {
		if unicode.IsUpper(r) {
			if i > 0 && !upper {
				b.WriteRune(sep)
			}
			upper = true
		} else {
			upper = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
