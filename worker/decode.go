package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// wanted is what a task asks for.
type wanted struct {
	payload tasks.Payload // nil until it is decoded
	typ     tasks.Type
	op      ecpay.Operation // of the type
	// comparison is how to find out about a write of which ECPay takes a repeat for another one,
	// nil for all others.
	comparison *tasks.Comparison
}

// decode turns stored bytes into a payload, and nothing but the task's own.
func decode(keys *seal.Ring, j *job) (wanted, error) {
	p, err := keys.Decode(j.id, j.typeName, j.headers, j.payload)
	if err == nil {
		err = p.Validate()
	}
	if err == nil && tasks.ID(p) != j.id {
		err = fmt.Errorf("%w: the task's id belongs to another intent, want %s", tasks.ErrCorrupt, tasks.ID(p))
	}
	if err != nil {
		return wanted{}, err
	}
	typ := tasks.TypeOf(p)
	return wanted{p, typ, typ.Operation, tasks.CompareOf(p)}, nil
}

// undecoded is the verdict on what cannot be decoded: what a newer version wrote, or what is sealed
// with another key, is held for a worker that can read it; corrupt bytes are dead.
func (h *handler) undecoded(a *attempt, err error) Verdict {
	hold := Verdict{Action: Hold, Kind: ecpay.Unknown, Delay: grow(5*time.Second, time.Minute, a.history.Holds), Pauses: true}
	var sealed *seal.KeyError
	switch {
	case errors.As(err, &sealed):
		hold.Reason = reasonSealed
		return hold.saying(record.Text{En: sealed.Error(), Zh: sealed.ZhTW()})
	case errors.Is(err, tasks.ErrUnknownType), errors.Is(err, tasks.ErrNewerSchema):
		hold.Reason = reasonNewer
		return hold.saying(record.Plain(err.Error()))
	}
	a.doubt = false // what cannot be read was never sent
	return Verdict{Action: Dead, Kind: ecpay.Rejected, Reason: reasonCorrupt}.saying(unreadable(err))
}

// unreadable says why stored bytes are no payload.
func unreadable(err error) record.Text {
	var wrong *exactjson.Error
	if errors.As(err, &wrong) {
		return record.Text{En: err.Error(), Zh: wrong.ZhTW()}
	}
	return record.Plain(err.Error())
}
