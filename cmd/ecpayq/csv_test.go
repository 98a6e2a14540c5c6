package main

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func TestCSVCellsAreNoFormulas(t *testing.T) {
	t.Parallel()
	hostile := []string{`=HYPERLINK("http://x","y")`, "+1", "-2+3", "@SUM(A1)", "\tx", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"}
	for _, s := range hostile {
		row := csvRow(deadletter.Letter{ID: s, Type: s, Queue: s, RtnMsg: s, Reason: s, RtnCode: -5})
		for i, cell := range row {
			if slices.ContainsFunc(hostile, func(h string) bool { return h == cell }) {
				t.Errorf("column %s holds %q", csvHeader[i], cell)
			}
		}
		if i := slices.Index(csvHeader, "rtn_code"); row[i] != "-5" {
			t.Errorf("a number became %q", row[i])
		}
	}
	if inert("訂單取消 = x") != "訂單取消 = x" || inert("") != "" {
		t.Error("a harmless cell is changed")
	}
	// What is written reads again, whatever is in it, but for a line break, which is a space.
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	if err := w.Write(csvHeader); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(csvRow(deadletter.Letter{ID: `a,"b"` + "\nc", Payload: []byte{0, 0xff}})); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	rows, err := csv.NewReader(&buf).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) != len(csvHeader) ||
		rows[1][0] != `a,"b" c` || !strings.HasPrefix(rows[1][len(csvHeader)-1], "AP8=") {
		t.Errorf("%q, %v", rows, err)
	}
}
