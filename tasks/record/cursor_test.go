package record

import "testing"

// Only a text that was made here is a cursor, so that each has one form.
func FuzzCursors(f *testing.F) {
	at, err := positions{"2000132": {ms: 1_700_000_000_000, seq: 7}, "-": {ms: 1, seq: 1}}.cursor()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		"", "AQ", at, at + "A", "AQ==", "MQ", reached{"pending:query", 250, ""}.cursor(), reached{"ledger:1", 1, "b2c.x.1.2"}.cursor(),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parseCursor(s); err == nil {
			if again, err := p.cursor(); err != nil || again != s {
				t.Errorf("%q is read as %v, which is %q, %v", s, p, again, err)
			}
		}
		if r, err := parseTaskCursor(s); err == nil && r.cursor() != s {
			t.Errorf("%q is read as %+v, which is %q", s, r, r.cursor())
		}
	})
}
