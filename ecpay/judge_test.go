package ecpay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type judgement struct {
	Kind      Kind
	Execution Execution
}

// judgeRow is an answer, and what is made of it.
type judgeRow struct {
	status      int
	body        string
	header      map[string]string
	write, read judgement
}

func judgeRows(t *testing.T) map[string]judgeRow {
	t.Helper()
	sealed := testCodec(t, stageKey, stageIV)
	trans := func(code int, msg string) string {
		return fmt.Sprintf(`{"TransCode":%d,"TransMsg":%q,"Data":null}`, code, msg)
	}
	rtn := func(code any) string { return answer(t, fmt.Sprintf(`{"RtnCode":%v,"RtnMsg":"m"}`, code)) }
	both := func(k Kind, x Execution) judgeRow { return judgeRow{write: judgement{k, x}, read: judgement{k, x}} }
	lost := judgeRow{write: judgement{Ambiguous, MaybeExecuted}, read: judgement{Unavailable, MaybeExecuted}}
	lost4xx := judgeRow{write: judgement{Ambiguous, MaybeExecuted}, read: judgement{Unknown, MaybeExecuted}}
	with := func(r judgeRow, status int, body string) judgeRow { r.status, r.body = status, body; return r }
	rows := map[string]judgeRow{
		"104 stale":                      with(both(Stale, NotExecuted), 200, trans(104, "Timestamp is over 10 minutes than it just produced.")),
		"110 with HTTP 500":              with(both(Denied, NotExecuted), 500, trans(110, "The parameter [Data] decrypt fail.")),
		"111":                            with(both(Rejected, NotExecuted), 200, trans(111, "")),
		"115":                            with(both(Denied, NotExecuted), 200, trans(115, "")),
		"128 is not in the table":        with(both(Unknown, MaybeExecuted), 200, trans(128, "")),
		"TransCode 0":                    with(both(Unknown, MaybeExecuted), 200, trans(0, "")),
		"TransCode as string":            with(both(Stale, NotExecuted), 200, `{"TransCode":"104"}`),
		"TransCode after a BOM":          with(both(Stale, NotExecuted), 200, "\xef\xbb\xbf"+`{"TransCode":104}`),
		"unknown RtnCode":                with(both(Unknown, MaybeExecuted), 200, rtn(8888888)),
		"RtnCode as string":              with(both(Rejected, NotExecuted), 200, rtn(`"2103005"`)),
		"RtnCode 0":                      with(both(Unknown, MaybeExecuted), 200, rtn(0)),
		"RtnCode null":                   with(lost, 200, rtn("null")),
		"business refusal with HTTP 500": with(both(Rejected, NotExecuted), 500, rtn(2103005)),
		"timeout inside ECPay 10100058": with(
			judgeRow{write: judgement{Ambiguous, MaybeExecuted}, read: judgement{Unavailable, NotExecuted}}, 200, rtn(10100058),
		),
		"garbage":                    with(lost, 200, "\x00\x01 no JSON"),
		"empty body":                 with(lost, 200, ""),
		"JSON that is no envelope":   with(lost, 200, `{"hello":1}`),
		"an array":                   with(lost, 200, `[]`),
		"Data null with TransCode 1": with(lost, 200, trans(1, "")),
		"Data plain JSON":            with(lost, 200, `{"TransCode":1,"Data":{"RtnCode":1}}`),
		"Data does not decrypt":      with(lost, 200, `{"TransCode":1,"Data":"AAAAAAAAAAAAAAAAAAAAAA=="}`),
		"Data without RtnCode":       with(lost, 200, answer(t, `{"a":1}`)),
		"Data an array":              with(lost, 200, answer(t, `[1]`)),
		"Data of an odd shape":       with(lost, 200, answer(t, `{"RtnCode":{}}`)),
		"another merchant's answer": with(
			lost, 200, fmt.Sprintf(`{"MerchantID":"9999999","TransCode":1,"Data":%q}`, sealed.Seal([]byte(`{"RtnCode":1}`))),
		),
		"403":                  with(both(Throttled, NotExecuted), 403, "<html>"),
		"403 with an envelope": with(both(Throttled, NotExecuted), 403, trans(110, "")),
		"429":                  with(both(Throttled, NotExecuted), 429, ""),
		"301 is not followed":  {301, "", map[string]string{"Location": "/elsewhere"}, lost.write, lost.read},
		"too large":            with(lost, 200, strings.Repeat(" ", MaxResponseBytes)+trans(104, "")),
	}
	for status := 200; status < 600; status++ { // every status class, with HTML in the body
		switch {
		case http.StatusText(status) == "" || status == 204 || status == 304:
		case status == 403 || status == 429:
			rows[fmt.Sprint("HTML ", status)] = with(both(Throttled, NotExecuted), status, "<html>")
		case status >= 400 && status < 500:
			rows[fmt.Sprint("HTML ", status)] = with(lost4xx, status, "<html>")
		default:
			rows[fmt.Sprint("HTML ", status)] = with(lost, status, "<html>")
		}
	}
	codes, err := NewCodes()
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range codes.Rows() {
		if code.RtnCode == 0 || code.Operation != "" || code.Kind == Ambiguous {
			continue
		}
		rows[fmt.Sprint("code ", code.RtnCode)] = with(both(code.Kind, NotExecuted), 200, rtn(code.RtnCode))
	}
	return rows
}

// TestJudge is the table of everything ECPay can answer, against a write and a read.
func TestJudge(t *testing.T) {
	t.Parallel()
	for name, r := range judgeRows(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range r.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(r.status)
				_, _ = io.WriteString(w, r.body)
			})
			for _, tc := range []struct {
				req  Request
				want judgement
			}{{trigger(), r.write}, {allowance(), r.read}} {
				_, err := c.Do(t.Context(), stageMerchant(t), tc.req)
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("%s: error %v", tc.req.Operation(), err)
				}
				if diff := cmp.Diff(tc.want, judgement{e.Kind, e.Execution}); diff != "" {
					t.Errorf("%s: (-want +got):\n%s%v", tc.req.Operation(), diff, err)
				}
				if e.HTTPStatus != r.status {
					t.Errorf("HTTP status %d, want %d", e.HTTPStatus, r.status)
				}
				if len(err.Error()) > maxErrorText {
					t.Errorf("error text has %d bytes", len(err.Error()))
				}
			}
		})
	}
}

func TestSuccessSets(t *testing.T) {
	t.Parallel()
	for _, op := range Operations() {
		for code := range map[int64]bool{0: true, 1: true, 2: true, RtnScheduled: true, RtnIssued: true, 5070453: true} {
			want := code == 1
			if op.Name == "TriggerIssue" {
				want = code == 1 || code == RtnScheduled || code == RtnIssued
			}
			if got := op.Succeeded(code); got != want {
				t.Errorf("%s: Succeeded(%d) = %v", op, code, got)
			}
		}
	}
}

func TestCodeOfAnOperationGoesFirst(t *testing.T) {
	t.Parallel()
	codes, err := NewCodes(CodeRow{RtnCode: 8888888, Kind: Conflict, Operation: "B2B Invalid"}, CodeRow{RtnCode: 2103005, Kind: Operator})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		op   OperationID
		rtn  int64
		want Kind
	}{
		"void again, in B2C":           {OperationID{B2C, "Invalid"}, 5070453, AlreadyDone},
		"not in B2B":                   {OperationID{B2B, "Invalid"}, 5070453, Unknown},
		"not for a confirm":            {OperationID{B2B, "InvalidConfirm"}, 5070453, Unknown},
		"query finds nothing":          {OperationID{B2C, "GetIssue"}, 2, NotFound},
		"B2B query finds nothing":      {OperationID{B2B, "GetIssue"}, 2, NotFound},
		"2 on a write":                 {OperationID{B2C, "TriggerIssue"}, 2, Unknown},
		"extra code":                   {OperationID{B2B, "Invalid"}, 8888888, Conflict},
		"extra code, other op":         {OperationID{B2C, "TriggerIssue"}, 8888888, Unknown},
		"extra code, other category":   {OperationID{B2C, "Invalid"}, 8888888, Unknown},
		"overridden code":              {OperationID{B2B, "Invalid"}, 2103005, Operator},
		"allowance void again, in B2C": {OperationID{B2C, "AllowanceInvalid"}, 2000063, AlreadyDone},
		"not another's":                {OperationID{B2C, "Allowance"}, 2000063, Unknown},
	} {
		row, _ := codes.Lookup(tc.op, tc.rtn, 0)
		if row.Kind != tc.want {
			t.Errorf("%s: %s, want %s", name, row.Kind, tc.want)
		}
	}
	for name, bad := range map[string]CodeRow{
		"no code": {Kind: Rejected}, "both codes": {RtnCode: 3, TransCode: 3, Kind: Rejected},
		"TransCode 1": {TransCode: 1, Kind: Rejected}, "kind OK": {RtnCode: 3, Kind: OK},
		"operation": {RtnCode: 3, Kind: Rejected, Operation: "Nope"}, "operation of the other category": {
			RtnCode: 3, Kind: Rejected, Operation: "B2B TriggerIssue",
		},
		"operation that both categories have": {RtnCode: 3, Kind: Rejected, Operation: "GetIssue"},
	} {
		if _, err := NewCodes(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, row := range codes.Rows() {
		if row.RtnCode != 8888888 && row.RtnCode != 2103005 && (row.ZhTW == "" || row.En == "") {
			t.Errorf("%d/%d has no text in both languages", row.RtnCode, row.TransCode)
		}
	}
}

func TestTheOperationOfACodeMayBeANameThatIsUnique(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"B2B Invalid": "B2B Invalid", "InvalidConfirm": "B2B InvalidConfirm", "TriggerIssue": "B2C TriggerIssue",
		"B2C GetIssue": "B2C GetIssue", "B2B GetIssue": "B2B GetIssue",
	} {
		if id, err := ParseOperationID(written); err != nil || id.String() != want {
			t.Errorf("%s: got %s, %v, want %s", written, id, err, want)
		}
	}
	for written, want := range map[string]string{
		"GetIssue": "write B2C GetIssue or B2B GetIssue", "Invalid": "write B2C Invalid or B2B Invalid", "Nope": `write it like "B2B Invalid"`,
		"B2B TriggerIssue": `no operation "B2B TriggerIssue"`, "": "no operation",
	} {
		if _, err := ParseOperationID(written); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", written, err, want)
		}
	}
	ids := map[OperationID]bool{}
	for _, op := range Operations() {
		if ids[op.ID()] {
			t.Errorf("%s is there twice", op)
		}
		ids[op.ID()] = true
	}
}

// Every code that is known of ECPay has a row.
func TestTheCodeTableHasWhatIsKnown(t *testing.T) {
	t.Parallel()
	codes, err := NewCodes()
	if err != nil {
		t.Fatal(err)
	}
	known := map[int64]bool{}
	for _, row := range codes.Rows() {
		known[row.RtnCode] = true
	}
	for _, code := range []int64{
		4000001, 5070305, 5070357, 5070453, 5070450, 5070451, 5070250, 1600003, 2, 7,
		2009005, 2013001, 2014001, 2014003, 2001019, 2001096, 2019001, 2020001, 1200125,
		5000022, 1200031, 5070350, 1500047, 2000039, 2000042, 2000063, 9000001, 10000010, 6070004, 2103005, 6000015, 6160052, 10100058, 10400011,
		1200119, 2001003, 2001010, 5000007, 5000015, 5000028, 2027000, 2000018, 2000034,
	} {
		if !known[code] {
			t.Errorf("%d has no row", code)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "90": 90 * time.Second, "9999999": maxRetryAfter,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {in}}, now); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func TestHostileMessageIsBoundedAndClean(t *testing.T) {
	t.Parallel()
	c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		js, _ := json.Marshal(map[string]any{"RtnCode": 2103005, "RtnMsg": "\x1b[2J\n{\"level\":\"info\"}" + strings.Repeat("錯", 5000)})
		_, _ = io.WriteString(w, answer(t, string(js)))
	})
	_, err := c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger())
	if err == nil || len(err.Error()) > maxErrorText || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("%q", err)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(200, `{"TransCode":1,"Data":"x"}`, "30")
	f.Add(500, `{"TransCode":110,"Data":null}`, "")
	f.Add(403, "<html>", "Wed, 21 Oct 2026 07:28:00 GMT")
	f.Add(200, answer(f, `{"RtnCode":"4000004","RtnMsg":"開立發票成功"}`), "")
	f.Add(200, answer(f, `{"RtnCode":1,"RtnData":"{\"ConfirmDate\":\"null\"}"}`), "")
	c, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	m := stageMerchant(f)
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		for _, op := range Operations() {
			x := &exchange{op: op, merchant: m, data: []byte(`{}`), status: status, header: http.Header{"Retry-After": {after}}, body: []byte(body)}
			resp, err := c.judge(x)
			var e *Error
			if (resp == nil) == (err == nil) || err != nil && !errors.As(err, &e) {
				t.Fatalf("response %v, error %v", resp, err)
			}
			if e != nil && (e.Kind == OK || len(e.Error()) > maxErrorText || e.RetryAfter < 0) {
				t.Fatalf("error outside the contract: %+v", e)
			}
		}
	})
}

// FuzzDecode reaches the typed responses: the fuzzed text is sealed first.
func FuzzDecode(f *testing.F) {
	f.Add(`{"RtnCode":1,"RtnData":{"Upload_Status":2}}`)
	f.Add(`{"RtnCode":"1","RtnData":""}`)
	m := stageMerchant(f)
	f.Fuzz(func(t *testing.T, data string) {
		for _, op := range Operations() {
			sealed, _ := json.Marshal(m.codec.Seal([]byte(data)))
			resp, err := openData(m, op, responseEnvelope{Data: sealed}, []byte(`{"Tsr":"T1"}`))
			if err != nil {
				if !errors.Is(err, ErrUnreadable) {
					t.Fatalf("error outside the contract: %v", err)
				}
				continue
			}
			if _, err := json.Marshal(resp); err != nil {
				t.Fatalf("a response that cannot be stored: %v", err)
			}
		}
	})
}
