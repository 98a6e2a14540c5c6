package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
)

func TestDataIsReadFromAFileOrStdinAndFlagsGoBeforeIt(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	inspector := asynq.NewInspectorFromRedisClient(s.Client())
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "data.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const whole = `{"MerchantID":"2000132","Tsr":"T1","PayType":"2","RelateNumber":"R1","DelayDay":3}`
	for name, row := range map[string]struct {
		variable, in string
		args         []string
		id, stored   string
	}{
		"from a file": {"", "", []string{"--data", file(whole)}, "2000132.T1", whole},
		"from stdin":  {"", "\ufeff\n " + whole + "\n", []string{"--data", "-"}, "2000132.T1", whole},
		"with a flag beside it": {
			"", whole, []string{"--data", "-", "--tsr", "T2", "--delay-day", "0"}, "2000132.T2",
			`{"MerchantID":"2000132","Tsr":"T2","PayType":"2","RelateNumber":"R1","DelayDay":0}`,
		},
		"with an empty flag": {
			"", whole, []string{"--data", "-", "--relate-number="}, "2000132.T1", `{"MerchantID":"2000132","Tsr":"T1","PayType":"2","DelayDay":3}`,
		},
		"not the variable's merchant": {"2000933", whole, []string{"--data", "-"}, "2000132.T1", whole},
		"the flag's merchant": {
			"2000933", whole, []string{"--data", "-", "--merchant-id", "2000933"}, "2000933.T1", strings.Replace(whole, "2000132", "2000933", 1),
		},
		"the variable's, without one": {
			"2000933", `{"Tsr":"T1"}`, []string{"--data", "-"}, "2000933.T1", `{"MerchantID":"2000933","Tsr":"T1","PayType":"2"}`,
		},
	} {
		env := map[string]string{"ECPAYQ_REDIS_URL": s.URL(), "ECPAYQ_MERCHANT_ID": row.variable}
		if got := runHere(t, env, row.in, append([]string{"enqueue", "b2c-trigger-issue"}, row.args...)...); got.code != exitOK {
			t.Fatalf("%s: got %+v", name, got)
		}
		id := "b2c.trigger_issue." + row.id
		info, err := inspector.GetTaskInfo("trigger_issue", id)
		if err != nil || string(info.Payload) != row.stored {
			t.Fatalf("%s: got %v and the payload %s, want %s", name, err, info.Payload, row.stored)
		}
		if err := inspector.DeleteTask("trigger_issue", id); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMistakeInDataNamesTheField(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ECPAYQ_REDIS_URL": "redis://127.0.0.1:1/0"}
	for _, row := range []struct{ data, want, hint string }{
		{`{"MerchantID":"2000132","tsr":"T1"}`, `--data: unknown field "tsr": names are exact, it is "Tsr"`, "help"},
		{`{"MerchantID":"2000132","Tsr":"T1","InvoiceNo":"1"}`, `--data: unknown field "InvoiceNo"`, "help"},
		{`{"Tsr":"T1","Tsr":"T2"}`, `--data: field "Tsr" is there twice`, "help"},
		{`{"Tsr":5}`, `--data: field "Tsr" has the wrong JSON type: it must be text in double quotes`, "help"},
		{`{"Tsr":"T1","DelayDay":1e1}`, `--data: field "DelayDay" has the wrong JSON type`, "help"},
		{`{"Tsr":"T1"`, `--data: not JSON at byte 11, at "Tsr"`, "help"},
		{"", "--data: not JSON: there is nothing", "help"},
		{"null", "--data is no JSON object", "help"},
		{`["T1"]`, "--data is no JSON object", "help"},
		{`{"Tsr":"` + strings.Repeat("T", tasks.MaxPayload()) + `"}`, "--data: 16385 bytes, at most 16384", "help"},
		{`{"MerchantID":"2000132"}`, "B2C TriggerIssue: invalid request: Tsr is required", "nothing was stored; mend Tsr in --data or by a flag"},
	} {
		runHere(t, env, row.data, "enqueue", "trigger-issue", "--data", "-").wantMistake(t, row.data[:min(len(row.data), 80)], row.want, row.hint)
	}
	runHere(t, env, "", "enqueue", "trigger-issue", "--data=").wantMistake(t, "an empty name", "--data is empty", "help")
	runHere(t, env, "", "enqueue", "trigger-issue", "--data", t.TempDir()+"/nosuch").wantMistake(t, "no such file", "--data: /", "help")
	runHere(t, env, "", "enqueue", "trigger-issue", "--data", "a", "--data", "b").wantMistake(t, "two files", "--data is there twice", "help")
}

// A field that is a number in any form has a flag, and one that is a list or an object none.
func TestAFieldOfOneValueHasAFlag(t *testing.T) {
	t.Parallel()
	var payload struct {
		Text   string
		Count  json.Number
		Amount int64
		Days   *int
		Sure   bool
		Items  []struct{ ItemName string }
		Inner  struct{ InvoiceNo string }
	}
	p := &program{cfg: &config.Config{Env: func(string) (string, bool) { return "", false }}}
	c := &cli.Command{Name: "x", Action: func(_ context.Context, c *cli.Command) error {
		fill(c, reflect.ValueOf(&payload).Elem())
		return nil
	}}
	kind := reflect.TypeOf(payload)
	for i := range kind.NumField() {
		if f := p.fieldFlag(tasks.Field{Name: kind.Field(i).Name}, kind.Field(i).Type); f != nil {
			c.Flags = append(c.Flags, f)
		}
	}
	if names := strings.Join(flagNames(c), " "); names != "--text --count --amount --days --sure" {
		t.Fatalf("got the flags %s", names)
	}
	if err := c.Run(
		t.Context(), []string{"x", "--text", "a", "--count", "1.5", "--amount", "9007199254740993", "--days", "0", "--sure"},
	); err != nil {
		t.Fatal(err)
	}
	if payload.Text != "a" || payload.Count != "1.5" || payload.Amount != 9007199254740993 ||
		payload.Days == nil || *payload.Days != 0 || !payload.Sure {
		t.Errorf("got %+v", payload)
	}
}
