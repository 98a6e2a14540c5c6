package ledger

import _ "embed"

// EndedLua is what scripts have in common that end a task; ended.lua says what they must
// know. It stands before them, after the text of [record.ScriptText].
//
//go:embed ended.lua
var EndedLua string
