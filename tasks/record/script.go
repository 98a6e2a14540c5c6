package record

import (
	_ "embed"
)

var (
	//go:embed prelude.lua
	preludeLua string
	// ReplicationLua is what scripts have in common that notice another replication id. It
	// stands before them in [ScriptText].
	//
	//go:embed replication.lua
	ReplicationLua string
)

// ScriptText is the text of a script that may use what prelude.lua defines.
func ScriptText(lua string) string { return preludeLua + lua }
