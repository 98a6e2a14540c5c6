package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// wanted is what a task asks for.
type wanted struct {
	payload tasks.Payload // nil until it is decoded
	typ     tasks.Type
	op      ecpay.Operation // of the type
}

// decode turns stored bytes into a payload, and nothing but the task's own.
func decode(j *job) (wanted, error) {
	p, err := tasks.Decode(j.typeName, j.headers, j.payload)
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
	return wanted{payload: p, typ: typ, op: typ.Operation}, nil
}

// undecoded is the verdict on what cannot be decoded: what a newer version wrote is held for
// a worker that knows it; corrupt bytes are dead.
func (h *handler) undecoded(a *attempt, err error) Verdict {
	if errors.Is(err, tasks.ErrUnknownType) || errors.Is(err, tasks.ErrNewerSchema) {
		pause := grow(5*time.Second, time.Minute, a.history.Holds)
		v := Verdict{Action: Hold, Kind: ecpay.Unknown, Delay: pause, Pauses: true, Reason: reasonNewer}
		return v.saying(record.Plain(err.Error()))
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
