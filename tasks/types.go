package tasks

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Type is one row of the table of task types: how its tasks are stored, and everything
// in which they are treated differently from others.
type Type struct {
	// Name is asynq's type name, like "b2c:trigger_issue". It is made from the operation.
	Name string
	// Operation is the ECPay operation that the task carries out. It tells writes from
	// queries.
	Operation ecpay.Operation
	// Queue is asynq's queue, one of [Queues]. Types may share one.
	Queue string
	// Alias is a second name on the command line beside [Type.Command]; empty for none.
	Alias string
	// Fields describes the payload's fields, in its order.
	Fields []Field

	// Ahead means that the task does not stand in line behind the merchant's others.
	Ahead bool
	// Behind means that the task goes only where none of the merchant's others waits.
	Behind bool
	// Issues means that ECPay issues an invoice for it, now or later, whose number the task is told,
	// see [InvoiceOf] and [FollowOf].
	Issues bool
	// SendUnasked means that an unanswered write may be sent again at once, without
	// asking, because a second one changes nothing.
	SendUnasked bool
	// NotUnique means that nothing in the request is unique at ECPay, which takes a repeat for
	// another one: it is sent again only once it is proven that the first had no effect.
	NotUnique bool
	// Shown is what it proves that an [Ask] shows what it looks for.
	Shown Proof
	// Wanted is how often the same may be wanted. What waits is wanted once.
	Wanted Wanted
	// WaitsFor is what may not be there yet, but will come by itself.
	WaitsFor WaitsFor
	// UndoneBy is the Name of the type whose task undoes what this one does, with the
	// same MerchantID and subject; empty for none.
	UndoneBy string
	// AskOnConflict means that ECPay refuses as [ecpay.Conflict] what was done before, by whatever
	// means, so that such a refusal is asked about.
	AskOnConflict bool
	// RefusedIsDone means that a repeat is refused as [ecpay.Conflict] because the first one was carried
	// out, where no query shows it.
	RefusedIsDone bool
	// AnyCase means that ECPay takes subjects for the same that differ in the case of their letters
	// only: ids have capital letters, and what is sent is as it was given.
	AnyCase bool
	// LockedBy is how many fields of the subject, from the first, make the [Lock];
	// 0 is all of them.
	LockedBy int

	// MaxPayload bounds the stored payload, before it is sealed, and MaxResult the stored answer, in bytes.
	// A larger payload is corrupt, and a larger answer is not stored.
	MaxPayload, MaxResult int
	// BuyerData means that a payload has fields for who a buyer is, so that it is stored sealed: see
	// package tasks/seal.
	BuyerData bool

	newPayload func() Payload
	idPrefix   string
	subjectIs  []string // the names of the fields of the subject
}

// Proof is what it proves that an [Ask] shows what it looks for.
type Proof uint8

// The values of Proof.
const (
	// NoProof: nothing is asked.
	NoProof Proof = iota
	// ShownIsDone: the write has happened, by this task or by other means.
	ShownIsDone
	// ShownIsConflict: the write has not happened, and cannot any more.
	ShownIsConflict
)

// Wanted is how often the same may be wanted.
type Wanted uint8

// The values of Wanted.
const (
	// Once: the same, wanted again long after the first is done, is the same intent.
	Once Wanted = iota
	// Anew: it is a new question each time, once the one before is answered.
	Anew
)

// WaitsFor is what may not be there yet, but will come by itself.
type WaitsFor uint8

// The values of WaitsFor.
const (
	// Nothing: what ECPay does not find is not there.
	Nothing WaitsFor = iota
	// Staging: the subject is put there by an earlier request, often of another system,
	// that may still be under way. Not found may pass.
	Staging
	// Counterparty: a query that was told to wait is asked again until the counterparty
	// has confirmed, see [ProgressOf].
	Counterparty
	// Issue: a query that was told for how long is asked again until the invoice is issued, see
	// [PatienceOf].
	Issue
)

// typeList has a line for every file of a type.
func typeList() []Type {
	return []Type{
		b2cTriggerIssue,
		b2cCancelDelayIssue,
		b2cInvalid,
		b2cAllowance,
		b2cAllowanceByCollegiate,
		b2cInvoiceNotify,
		b2cAllowanceInvalid,
		b2bIssueConfirm,
		b2bReject,
		b2bRejectConfirm,
		b2bInvalid,
		b2bInvalidConfirm,
		b2bAllowanceConfirm,
		b2bCancelAllowance,
		b2bCancelAllowanceConfirm,
		b2bNotify,
		b2bGetAllowanceConfirm,
		b2cIssue,
		b2bIssue,
		b2bAllowance,
		b2cAllowanceInvalidByCollegiate,
		b2cVoidWithReIssue,
		b2bVoidWithReIssue,
		b2cDelayIssue,
		b2cGetIssue,
	}
}

// Queues with their weights: how often each is looked at first. Cancel goes
// ahead, since it races the hour of issue; queries come last.
func Queues() map[string]int {
	return map[string]int{
		"cancel_delay_issue": 6,
		"trigger_issue":      5,
		"issue":              4,
		"invalid":            3,
		"invalid_confirm":    3,
		"allowance":          2,
		"query":              1,
	}
}

// QueueNames returns the names of [Queues] in the order of the alphabet.
func QueueNames() []string { return slices.Sorted(maps.Keys(Queues())) }

// index finds rows. It is made once: it is looked at for every task, several times.
var index = sync.OnceValue(func() (x struct {
	rows             []Type
	byName, byPrefix map[string]*Type
	byPayload        map[reflect.Type]*Type
	shown            map[string]bool // by the name of a field
	maxPayload       int
}) {
	x.rows = typeList()
	x.byName, x.byPrefix, x.byPayload = map[string]*Type{}, map[string]*Type{}, map[reflect.Type]*Type{}
	x.shown = map[string]bool{}
	for i := range x.rows {
		t := &x.rows[i]
		p := t.newPayload()
		t.Operation = p.Request().Operation()
		category, name := strings.ToLower(string(t.Operation.Category)), words(t.Operation.Name, '_')
		t.subjectIs = subjectNames(p)
		t.Name, t.idPrefix = category+":"+name, category+"."+name
		x.byName[t.Name], x.byPrefix[t.idPrefix], x.byPayload[reflect.TypeOf(p)] = t, t, t
		x.maxPayload = max(x.maxPayload, t.MaxPayload)
		for _, f := range t.Fields {
			x.shown[f.Name] = x.shown[f.Name] || f.Shown
		}
	}
	return x
})

// Types returns the table of task types.
func Types() []Type { return slices.Clone(index().rows) }

// TypeOf returns the row of a payload.
func TypeOf(p Payload) Type { return *index().byPayload[reflect.TypeOf(p)] }

// ByName returns the row of a type name.
func ByName(name string) (Type, bool) { return found(index().byName[name]) }

func found(t *Type) (Type, bool) {
	if t == nil {
		return Type{}, false
	}
	return *t, true
}

// MaxPayload is the largest [Type.MaxPayload].
func MaxPayload() int { return index().maxPayload }

// New returns an empty payload of the type.
func (t Type) New() Payload { return t.newPayload() }

// Command is the name of the type on the command line, like "b2c-trigger-issue".
func (t Type) Command() string { return CommandOf(t.Operation) }

// CommandOf is the name of an operation on the command line.
func CommandOf(op ecpay.Operation) string {
	return strings.ToLower(string(op.Category)) + "-" + words(op.Name, '-')
}

// Called reports whether a person means the type by a word: its name, its command or
// its alias.
func (t Type) Called(word string) bool {
	return word != "" && (word == t.Name || word == t.Command() || word == t.Alias)
}

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
