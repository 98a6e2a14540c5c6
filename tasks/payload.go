package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/exactjson"
)

// Payload is what a task stores: the fields of an ECPay request, and beside them what
// lets us ask about it. A type's file says what its payload does beyond this by the
// methods of asker, delayed and waiter.
type Payload interface {
	// Request returns exactly what ECPay is sent.
	Request() ecpay.Request
	// Validate normalises the fields in place and returns nil or an
	// [*ecpay.ValidationError].
	Validate() error
	// subject returns the fields that, after type and MerchantID, make the id.
	subject() []string
}

// asker is a write about which ECPay can be asked, see [AskOf] and [Type.Shown].
type asker interface {
	ask(tsrIsRelateNumber bool) *Ask
}

// delayed is a write whose effect may not be seen at once, see [DelayOf].
type delayed interface {
	delay() Delay
}

// waiter is a query that may wait for something, see [ProgressOf] and [Type.WaitsFor].
type waiter interface {
	// waits reports whether it was told to.
	waits() bool
	// progress judges an answer of the success set to one that waits.
	progress(ecpay.Response) Progress
}

// issuer is a write after which ECPay issues an invoice later, and does not say its number then, see
// [FollowOf].
type issuer interface {
	// issues says when, of an answer with a code, 0 for none; false where it does not by itself.
	issues(code int64) (Delay, bool)
}

// reissuer is a write that issues an invoice anew, whose answer does not say on which day it was issued first.
type reissuer interface{ issuedOn() string }

// follower is a query that may ask for as many days, and for a task, see [PatienceOf] and [FollowedBy].
type follower interface {
	days() int
	taskID() string
}

// newer is a payload that may have a field which the first version of its type did not have.
type newer interface {
	// schema is the version of the stored format in which the fields that it has came last.
	schema() int
}

// SchemaOf returns the version of the stored format that a payload needs.
func SchemaOf(p Payload) int {
	if n, ok := p.(newer); ok {
		return n.schema()
	}
	return Schema
}

// undoer is a write that comes too late where an [Ask] shows what it was to prevent, see [UndoOf].
type undoer interface {
	undo(shown ecpay.Response) *Undo
	wantsUndone() bool
}

// relateNumberProblems normalises a RelateNumber that is not sent and may be empty, and
// says what is wrong with it.
func relateNumberProblems(number *string) []ecpay.FieldError {
	if *number = strings.TrimSpace(*number); *number == "" {
		return nil
	}
	return ecpay.ValidCode("RelateNumber", *number, 50)
}

// referenceProblems normalises a Reference and says what is wrong with it.
func referenceProblems(reference *string) []ecpay.FieldError {
	*reference = strings.TrimSpace(*reference)
	return ecpay.ValidCode("Reference", *reference, 50)
}

// join adds the problems of the fields beside a request to what its Validate returned.
func join(req ecpay.Request, err error, beside []ecpay.FieldError) error {
	if len(beside) == 0 {
		return err
	}
	all := &ecpay.ValidationError{Op: req.Operation().String()}
	var v *ecpay.ValidationError
	if errors.As(err, &v) {
		all.Fields = append(all.Fields, v.Fields...)
	}
	all.Fields = append(all.Fields, beside...)
	return all
}

// fewItems always fit into a payload: an item has some 4,000 bytes at most.
const fewItems = 60

// itemProblems says of a payload of many items that it is larger than is stored.
func itemProblems(p Payload, items int) []ecpay.FieldError {
	if items <= fewItems {
		return nil
	}
	b, err := Encode(p)
	if most := TypeOf(p).MaxPayload; err == nil && len(b) > most {
		return []ecpay.FieldError{{Field: "Items", Problem: fmt.Sprintf("make the payload %d bytes, at most %d are allowed", len(b), most)}}
	}
	return nil
}

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
		return nil, fmt.Errorf("%w %q", ErrUnknownType, exactjson.Name(typeName))
	}
	if len(payload) > t.MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrCorrupt, len(payload), t.MaxPayload)
	}
	p := t.New()
	if err := exactjson.Unmarshal(payload, p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return p, nil
}

// Differs names the fields in which two payloads of one type differ, in the
// order of the type's fields; empty when they ask for the same.
func Differs(a, b Payload) []string {
	var names []string
	va, vb := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	if va.Type() != vb.Type() {
		return []string{"type"}
	}
	for f, v := range FieldsOf(a) {
		if !reflect.DeepEqual(v.Interface(), vb.FieldByName(f).Interface()) {
			names = append(names, f)
		}
	}
	return names
}

// FieldsOf yields the fields of a payload with their names, in their order. Those of an embedded struct are
// the payload's own, as they are in JSON.
func FieldsOf(p Payload) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		v := reflect.ValueOf(p).Elem()
		for _, f := range reflect.VisibleFields(v.Type()) {
			if !f.Anonymous && !yield(f.Name, v.FieldByIndex(f.Index)) {
				return
			}
		}
	}
}
