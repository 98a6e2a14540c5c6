package ledger

import _ "embed"

// EndedLua is shared by the scripts that end a task; ended.lua says what they pass. It stands
// before them, after the text of [record.ScriptText].
//
//go:embed ended.lua
var EndedLua string
