package intents

import (
	"errors"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/tasks"
)

func TestParseReadsAnIntentHoweverItIsSpaced(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"A1"}}`,
		` { "data" : {"Tsr":"A1","MerchantID":"2000132"}, "type" : "b2c:trigger_issue" } `,
	} {
		item, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if p, ok := item.Payload.(*tasks.B2CTriggerIssue); !ok || p.MerchantID != "2000132" || p.Tsr != "A1" || len(item.Options) > 0 {
			t.Errorf("%s: got %+v", text, item)
		}
	}
	item, err := Parse([]byte(`{"type":"b2c:trigger_issue","data":{"Tsr":"A1"},"process_at":"2026-01-31T09:00:00+08:00"}`))
	if err != nil || len(item.Options) != 1 {
		t.Errorf("with a time: got %+v and %v, want one option", item, err)
	}
}

func TestParseSaysWhatIsWrongAndQuotesNoValue(t *testing.T) {
	t.Parallel()
	const secret = "secret-7Q"
	for _, row := range []struct {
		name, text, want string
		problem          exactjson.Problem // 0: it is not about the JSON
	}{
		{"nothing", ``, "is no JSON object", exactjson.NotJSON},
		{"a list", `["secret-7Q"]`, "is no JSON object", exactjson.WrongType},
		{"half of it", `{"type":"b2c:trigger_issue","data":{"Tsr":"secret-7Q"`, "not JSON", exactjson.NotJSON},
		{"two of them", `{"type":"b2c:trigger_issue","data":{"Tsr":"A"}} {"a":"secret-7Q"}`, "more than one JSON value", exactjson.Trailing},
		{"an unknown name", `{"typ":"secret-7Q"}`, `unknown field "typ"`, exactjson.UnknownField},
		{"a name in another case", `{"Type":"secret-7Q"}`, `it is "type"`, exactjson.UnknownField},
		{"a name twice", `{"type":"secret-7Q","type":"secret-7Q"}`, "is there twice", exactjson.Twice},
		{"a name of the data twice", `{"type":"b2c:trigger_issue","data":{"Tsr":"A","Tsr":"secret-7Q"}}`, "is there twice", exactjson.Twice},
		{"PHP's empty array", `{"type":"b2c:trigger_issue","data":[]}`, "(object)[]", exactjson.WrongType},
		{"an unknown name of the data", `{"type":"b2c:trigger_issue","data":{"tsr":"secret-7Q"}}`, `"Tsr"`, exactjson.UnknownField},
		{"no type", `{"data":{"Tsr":"secret-7Q"}}`, "type is required", 0},
		{"no data", `{"type":"b2c:trigger_issue"}`, "data is required", 0},
		{"a time without its zone", `{"type":"b2c:trigger_issue","data":{"Tsr":"A"},"process_at":"secret-7Q"}`, "process_at must be RFC 3339", 0},
	} {
		_, err := Parse([]byte(row.text))
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want an error that says %q and no value", row.name, err, row.want)
			continue
		}
		var wrong *exactjson.Error
		if got := errors.As(err, &wrong); got != (row.problem != 0) || got && wrong.Problem != row.problem {
			t.Errorf("%s: got %+v, want the problem %d", row.name, wrong, row.problem)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"A1"}}`,
		`{"type":"b2c:trigger_issue","data":{"Tsr":"A1"},"process_at":"2026-01-31T09:00:00+08:00"}`,
		`{"type":"b2c:trigger_issue","data":[]}`, `{`, ``, "\xff",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		item, err := Parse(text)
		if (err == nil) != (item.Payload != nil) {
			t.Errorf("got %+v and %v, want one of them", item, err)
		}
	})
}
