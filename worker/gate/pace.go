package gate

import "github.com/ecpayq/ecpayq/tasks/record"

// PaceScript is the text of a script that may use what pace.lua defines, to read or change
// a merchant's pace.
func PaceScript(lua string) string { return record.ScriptText(paceLua + lua) }
