package main

import (
	"encoding/base64"
	"strings"
)

// inert keeps a spreadsheet from taking a cell for a formula: what ECPay or a
// shop wrote is shown, never run. The full-width signs count too.
func inert(s string) string {
	for _, start := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(s, start) {
			return "'" + s
		}
	}
	return s
}

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
