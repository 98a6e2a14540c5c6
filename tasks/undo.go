package tasks

import (
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Undo is what is left to do for a write that came too late to prevent something: to undo it.
type Undo struct {
	// Instead is the write that undoes it, a task of its own.
	Instead Payload
	// Until is the last second in which ECPay takes that.
	Until time.Time
	// Over means that it is undone already, by whatever means, and Answer is what to keep of that.
	Over   bool
	Answer ecpay.Response
}

// UndoOf returns how to undo what an [Ask] shows, where the payload wants it undone, and nil for all
// others.
func UndoOf(p Payload, shown ecpay.Response) *Undo {
	if u, ok := p.(undoer); ok {
		return u.undo(shown)
	}
	return nil
}

// WantsUndone reports whether a write that comes too late is to undo what it was to prevent.
func WantsUndone(p Payload) bool {
	u, ok := p.(undoer)
	return ok && u.wantsUndone()
}

// Prevented is what to keep of the answer to such a write that came in time.
func Prevented(answer ecpay.Response) ecpay.Response {
	u := &Undone{Undone: "cancelled"}
	if answer != nil {
		code, text := answer.Result()
		u.RtnStatus = ecpay.RtnStatus{RtnCode: ecpay.Code(code), RtnMsg: ecpay.Text(text)}
	}
	return u
}

// Undone is the answer of a write that prevents something or undoes it: it says which it was.
type Undone struct {
	ecpay.RtnStatus
	// Undone is "cancelled" where it was prevented, and "voided" where it had happened and is void now.
	Undone string
	// InvoiceNo and InvoiceDate are those of what was voided.
	InvoiceNo   string `json:",omitempty"`
	InvoiceDate string `json:",omitempty"`
}
