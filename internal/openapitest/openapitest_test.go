package openapitest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/openapitest"
)

// batchAnswer is the answer to a batch of 200 lines.
func batchAnswer() (lines []string) {
	for i := range 200 {
		lines = append(lines, fmt.Sprintf(`{"line":%d,"id":"b2c.trigger_issue.2000132.L%d","state":"pending","duplicate":false}`, i+1, i))
	}
	return append(lines, `{"summary":{"lines":200,"stored":200,"duplicate":0,"failed":0}}`)
}

func TestEveryLineOfAnAnswerToABatchIsChecked(t *testing.T) {
	t.Parallel()
	d, err := openapitest.Load("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	right := batchAnswer()
	summary := right[200]
	for _, row := range []struct {
		name  string
		lines []string
		want  string // empty where nothing is wrong
	}{
		{"as they are", right, ""},
		{"no line but the summary", right[200:], ""},
		{"a field of the first that is not described", slices.Replace(slices.Clone(right), 0, 1, `{"line":1,"idd":"x"}`), `"/0": property "idd"`},
		{"one in the middle without its number", slices.Replace(slices.Clone(right), 99, 100, `{"id":"x"}`), `"/99/line"`},
		{"a problem in one", slices.Replace(slices.Clone(right), 9, 10, `{"line":10,"errors":[{"feld":"Tsr"}]}`), `"/9/errors/0`},
		{"one that is no JSON", slices.Replace(slices.Clone(right), 19, 20, `{"line":20`), "line 20 of"},
		{"a summary in the middle", slices.Insert(slices.Clone(right), 50, summary), `"/50`},
		{"no summary", right[:200], "the last line"},
		{"a summary without a number", append(slices.Clone(right[:200]), `{"summary":{"lines":200}}`), "the last line"},
		{"no line", nil, "line 1 of"},
	} {
		r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/v1/intents/batch", nil)
		if err != nil {
			t.Fatal(err)
		}
		ndjson := http.Header{"Content-Type": {"application/x-ndjson"}}
		r.Header = ndjson
		err = d.Check(r, "{}\n", http.StatusOK, ndjson, []byte(strings.Join(row.lines, "\n")+"\n"))
		if err == nil != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q in it", row.name, err, row.want)
		}
	}
}
