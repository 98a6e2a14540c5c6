package dashboard

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzMask holds that whatever a payload is, no text of it is shown but names of
// fields and the values of those that may be.
func FuzzMask(f *testing.F) {
	for _, seed := range []string{
		`{"Tsr":"T1","Reason":"QZX"}`, `{"QZX":1}`, `["QZX"]`, `{"a":{"Tsr":"QZX"}}`,
		`{"Tsr":"A","tsr":"QZX","Tsr":"B"}`, "\x00QZX", `{"Tsr":["QZX"]}`, `{"a":"\u0051ZX"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := mask("", payload)
		var fields map[string]json.RawMessage
		if json.Unmarshal(payload, &fields) != nil || fields == nil {
			if !strings.HasPrefix(got, "(") {
				t.Errorf("%q is no object, and is shown as %s", payload, got)
			}
			return
		}
		var shownAs map[string]json.RawMessage
		if err := json.Unmarshal([]byte(got), &shownAs); err != nil {
			t.Fatalf("%q is shown as %s, which is no JSON object: %v", payload, got, err)
		}
		for name, v := range shownAs {
			if name != "…" && !fieldName.MatchString(name) {
				t.Errorf("%q: the name %q is shown", payload, name)
			}
			if shown(name) && string(v) == string(fields[name]) && len(v) <= maxShown {
				continue
			}
			var s string
			if json.Unmarshal(v, &s) != nil || !(s == "(not shown)" || strings.HasPrefix(s, "(") && strings.HasSuffix(s, " characters)")) {
				t.Errorf("%q: %s is shown as %s", payload, name, v)
			}
		}
	})
}
