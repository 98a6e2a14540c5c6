package ecpaytest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// steer calls the control API and returns the status and the JSON of its answer.
func steer(t *testing.T, s *Server, method, path, body string) (int, m) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/_fake/", s.Control())
	mux.Handle("/", s)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	var answer m
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s %s: %v in %q", method, path, err, w.Body)
	}
	return w.Code, answer
}

func TestControlSteersATour(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	ok := func(method, path, body string) m {
		t.Helper()
		status, answer := steer(t, b.Server, method, path, body)
		if status != 200 {
			t.Fatalf("%s %s: got %d %v", method, path, status, answer)
		}
		return answer
	}
	answer := ok("POST", "/_fake/stage", `{"delayed":[{"Tsr":"T1","DelayDay":3},{"Tsr":"T2"}],
		"invoice":{"InvoiceNumber":"AB12345678","Voided":true},"allowance":{"AllowanceNo":"1909241702402030","RtnData":"null"}}`)
	if answer["staged"] != 4.0 {
		t.Errorf("got %v, want 4 staged", answer)
	}
	ok(
		"POST", "/_fake/faults",
		`{"match":{"operation":"TriggerIssue","subject":"T1"},"faults":[{"http_status":403,"header":{"Retry-After":["60"]},"for":"1m"}]}`,
	)
	if r := b.trigger("T1"); r.status != 403 || r.header.Get("Retry-After") != "60" {
		t.Errorf("got %d, want 403 and Retry-After 60", r.status)
	}
	ok("DELETE", "/_fake/faults", "")
	b.trigger("T1")
	ok("POST", "/_fake/advance", `{"by":"72h"}`)
	if got := ok("GET", "/_fake/state?subject=T1", "")["state"]; got != stateIssued {
		t.Errorf("got state %v, want issued", got)
	}
	effects := ok("GET", "/_fake/effects?merchant_id=2000132&subject=T1", "")["effects"].([]any)
	if len(effects) != 2 || effects[1].(m)["name"] != EffectIssued {
		t.Errorf("got effects %v", effects)
	}
	b.confirm(number)
	calls := ok("GET", "/_fake/calls?since=1&category=B2C", "")["calls"].([]any)
	if len(calls) != 1 || calls[0].(m)["rtn_code"] != 4000003.0 || calls[0].(m)["data"].(m)["Tsr"] != "T1" {
		t.Errorf("got calls %v", calls)
	}
	ok("POST", "/_fake/reset", "")
	if got := ok("GET", "/_fake/calls", "")["calls"].([]any); len(got) != 0 {
		t.Errorf("after reset: got %v", got)
	}
}

func TestControlSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"unknown path", "GET", "/_fake/call", "", 404, "no GET /_fake/call"},
		{"wrong method", "GET", "/_fake/reset", "", 404, "no GET /_fake/reset"},
		{"no JSON", "POST", "/_fake/stage", "x", 400, "invalid character"},
		{"two values", "POST", "/_fake/advance", `{"by":"1h"}{}`, 400, "more than one"},
		{"nothing to stage", "POST", "/_fake/stage", "{}", 400, "nothing to stage"},
		{"unknown kind", "POST", "/_fake/stage", `{"receipt":{}}`, 400, "receipt"},
		{"unknown field", "POST", "/_fake/stage", `{"delayed":{"Tsr":"T1","Day":1}}`, 400, `unknown field "Day"`},
		{"unknown field in a list", "POST", "/_fake/stage", `{"delayed":[{"Tsr":"T1","Day":1}]}`, 400, `unknown field "Day"`},
		{"impossible", "POST", "/_fake/stage", `{"delayed":[{"Tsr":"T1"},{"Tsr":"T1"}]}`, 400, "used before (1 staged before it)"},
		{"no faults", "POST", "/_fake/faults", `{"match":{}}`, 400, "empty"},
		{"unknown fault", "POST", "/_fake/faults", `{"faults":{"explode":true}}`, 400, "explode"},
		{"duration as number", "POST", "/_fake/faults", `{"faults":{"latency":5}}`, 400, "duration must be a string"},
		{"no duration", "POST", "/_fake/faults", `{"faults":{"for":"soon"}}`, 400, "soon"},
		{"no HTTP status", "POST", "/_fake/faults", `{"faults":{"http_status":7}}`, 400, "200 to 999"},
		{"backwards", "POST", "/_fake/advance", `{"by":"-1h"}`, 400, "positive duration"},
		{"since", "GET", "/_fake/calls?since=x", "", 400, "since"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, answer := steer(t, New(Config{}), row.method, row.path, row.body)
			text, _ := answer["error"].(string)
			if status != row.status || !strings.Contains(text, row.want) {
				t.Errorf("got %d %q, want %d and %q", status, text, row.status, row.want)
			}
		})
	}
}

// TestControlKnowsEveryFieldOfFault fills every field by JSON and looks that it arrives.
func TestControlKnowsEveryFieldOfFault(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	status, answer := steer(t, s, "POST", "/_fake/faults", `{
		"match":{"operation":"O","category":"C","merchant_id":"M","subject":"S"},"faults":[{
		"name":"n","times":2,"for":"1s","latency":"2s","http_status":500,"body":"b","header":{"A":["b"]},"after_effect":true,
		"effect_after":"3s","drop":true,"hang":true,"truncate":true,"garbage":true,"huge":1,"unreadable_data":true,"wrong_key":true,
		"null_data":true,"trans_code":2,"trans_msg":"t","rtn_code":3,"rtn_msg":"r","rtn_code_as_string":true,
		"about_another":true,"twice":true,"merchant_id_as_number":true,"clock_offset":"-4s","redirect":"/x"}]}`)
	if status != 200 {
		t.Fatalf("got %d %v", status, answer)
	}
	got := s.scripts[0].faults[0]
	for i := range reflect.TypeFor[Fault]().NumField() {
		if reflect.ValueOf(got).Field(i).IsZero() {
			t.Errorf("%s has not arrived", reflect.TypeFor[Fault]().Field(i).Name)
		}
	}
	want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, -4 * time.Second}
	if diff := cmp.Diff(want, []time.Duration{got.For, got.Latency, got.EffectAfter, got.ClockOffset}); diff != "" {
		t.Errorf("durations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Match{"O", "C", "M", "S"}, s.scripts[0].match); diff != "" {
		t.Errorf("match (-want +got):\n%s", diff)
	}
}
