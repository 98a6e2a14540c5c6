package gate

import (
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// NewPaceScript returns a script that may use what pace.lua defines, to read or change a
// merchant's pace.
func NewPaceScript(lua string) *redis.Script { return record.NewScript(paceLua + lua) }
