package record

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed prelude.lua
	preludeLua string
	// ReplicationLua is what scripts have in common that notice another replication id. It
	// stands before them in [NewScript].
	//
	//go:embed replication.lua
	ReplicationLua string
)

// NewScript returns a script that may use what prelude.lua defines.
func NewScript(lua string) *redis.Script { return redis.NewScript(ScriptText(lua)) }

// ScriptText is the text of [NewScript].
func ScriptText(lua string) string { return preludeLua + lua }
