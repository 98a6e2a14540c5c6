package record

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
)

// Cause is what a dead task was, and what it died of, as [Record.Death] has it.
type Cause struct {
	// Type is asynq's type name, empty for a task whose id does not say.
	Type string
	Kind ecpay.Kind
}

// Causes reads little of each dead task, in one round trip.
func Causes(ctx context.Context, rdb redis.UniversalClient, ids []string) ([]Cause, error) {
	pipe := rdb.Pipeline()
	fields := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		fields[i] = pipe.HMGet(ctx, TaskKey(id), deathPrefix+FieldKind, FieldKind, FieldInFlight, FieldBy)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read causes of death: %w", err)
	}
	causes := make([]Cause, len(ids))
	for i, id := range ids {
		if typ, _, err := tasks.ParseID(id); err == nil {
			causes[i].Type = typ.Name
		}
		m := map[string]string{FieldPayload: ""} // what is in the ledger has one
		for at, name := range []string{deathPrefix + FieldKind, FieldKind, FieldInFlight, FieldBy} {
			if v := fields[i].Val(); len(v) > at {
				m[name], _ = v[at].(string)
			}
		}
		causes[i].Kind = Parse(m).Death.Kind
	}
	return causes, nil
}
