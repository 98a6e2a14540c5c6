package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Answer is what an answer says about the keys by which it was asked for.
type Answer string

// The answers.
const (
	KeysRefused Answer = "refused"
	KeysWork    Answer = "work"
	KeysUnsure  Answer = "unsure" // it says nothing about them
)

// Answered records what an answer of ECPay says about the keys of the task's merchant,
// or that there are none. While keys are refused, all that would be sent with them
// is held, for 1 minute, which doubles up to 30, and then one request tries them
// again. It returns how long the pause is still, and whether it began with this
// answer. why is stored; it must hold no key.
func (g *Gate) Answered(
	ctx context.Context, a Attempt, scope string, says Answer, why string,
) (pause time.Duration, began bool, err error) {
	v, err := deniedScript.Run(ctx, g.rdb, deniedKeys{a.Keys.Pace}, deniedArgs{a.Token, scope, says, why})
	if err != nil {
		return 0, false, fmt.Errorf("record what became of the keys: %w", err)
	}
	pause, began = v.Pause, v.Began
	if began {
		// After the pause: were this lost, the next refusal would note it.
		if err := ledger.NoteName(ctx, g.rdb, record.DeniedKey, a.Keys.Owner); err != nil {
			return pause, began, fmt.Errorf("note merchant: %w", err)
		}
	}
	return pause, began, nil
}
