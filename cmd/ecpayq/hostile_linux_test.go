package main_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// badText clears the screen, by ESC and by a control of C1, rings, forges a line, turns the
// direction, hides and tags.
var badText = "惡" + string([]rune{
	0x1b, '[', '2', 'J', 0x9b, '3', '1', 'm', 7, '\n', 'f', 'o', 'r', 'g', 'e', 'd', 0x7f, 0x202e, 0x2028,
	0x2066, 0x200b, 0xfeff, 0xe0041,
}) + "意"

// showsHidden returns what is in a text that nobody sees, beside line breaks and, on a
// terminal, the colours of a table.
func showsHidden(s string) string {
	s = regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(s, "")
	return strings.Map(func(r rune) rune {
		if r != '\n' && (r == utf8.RuneError-1 || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)) {
			return r
		}
		return -1
	}, s)
}

// stored is a world in which everything that somebody wrote is hostile: ids of a task that
// is dead and one that waits, and that of a dead one of somebody else's.
func (b *bench) stored() (dead, waits, foreign string) {
	b.Helper()
	ctx, rdb := b.Context(), b.redis.Client()
	b.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: 5070450, RtnMsg: badText, Times: -1})
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000091", InvoiceDate: invoiceDate}))
	console := start(b.T, b.env.with(env{"ECPAYQ_LOG_FORMAT": "console"}), "worker")
	dead = b.enqueue("invalid", "--invoice-number", "VG11000091", "--invoice-date",
		invoiceDate, "--reason", "訂單取消", "--remark", "a"+string(rune(0x202e))+"b").ID
	b.waitFor(dead, "dead")
	console.stop()
	if log := console.err.String(); showsHidden(log) != "" || !strings.Contains(log, "5070450") {
		b.Errorf("the log for people has %q:\n%s", showsHidden(log), log)
	}
	if shown := b.show(dead); shown.RtnMsg != badText && !strings.Contains(shown.RtnMsg, string(rune(0x202e))) {
		b.Errorf("nothing hostile is stored: %q", shown.RtnMsg)
	}
	b.must(
		rdb.HSet(ctx, record.TaskKey(dead), "d_reason", badText, "d_reason_zh", badText, "by", record.ByHand(badText), "last_err", badText).Err(),
	)
	waits = b.enqueue("trigger-issue", "--tsr", "WAITS", "--process-in", "1h").ID
	b.must(rdb.HSet(ctx, record.TaskKey(waits), "state", "held", "kind", "Unavailable", "reason", badText, "reason_zh", badText).Err())

	foreign = "x" + badText
	b.must(ledger.NoteOwner(ctx, rdb, foreign))
	b.must(rdb.HSet(ctx, record.TaskKey(foreign), "state", "dead", "kind", "Unknown",
		"type", badText, "queue", badText, "payload", badText, "headers", "{}",
		"died", time.Now().UnixMilli(), "by", "worker", "reason", badText, "result", `"`+string(rune(0x202e))+`"`).Err())
	b.must(rdb.ZAdd(ctx, record.DeadKey(foreign), redis.Z{Score: float64(time.Now().UnixMilli()), Member: foreign}).Err())
	b.must(ledger.Audit(ctx, rdb, ledger.AuditEntry{Who: badText, What: badText, ID: foreign, Note: badText, Fields: []string{badText}}))
	until := time.Now().Add(time.Hour).UnixMicro()
	b.must(rdb.HSet(ctx, record.KeysOf(merchantID).Pace, "last", time.Now().UnixMicro(), "ban", until, "ban_since", 1, "ban_why", badText,
		"denied:B2C:"+badText, fmt.Sprintf("1 %d 1 0 - %s", until, badText)).Err())
	b.must(rdb.HSet(ctx, record.KeysOf(badText).Pace, "last", time.Now().UnixMicro()).Err())
	b.must(rdb.ZAdd(ctx, record.MerchantsKey, redis.Z{Score: float64(time.Now().UnixMilli()), Member: merchantID},
		redis.Z{Score: float64(time.Now().UnixMilli()), Member: badText}).Err())
	b.schedules("schedules:\n  - {name: night, cron: '0 3 * * *', time_zone: UTC}\n")
	return dead, waits, foreign
}

func TestNothingThatSomebodyWroteDrivesATerminalAndJSONLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	dead, waits, foreign := b.stored()
	for _, command := range [][]string{
		{"task", "show", dead}, {"task", "wait", dead, "--timeout", "1s"}, {"task", "show", foreign},
		{"task", "list"}, {"task", "list", "--state", badText}, {"task", "cancel", foreign, "--note", "x"},
		{"dead", "list"}, {"dead", "list", "--type", badText}, {"dead", "show", dead}, {"dead", "show", foreign},
		{"dead", "show", "no" + foreign}, {"dead", "export"}, {"dead", "export", "--format", "csv"},
		{"dead", "replay", "--dry-run"}, {"dead", "replay", "--dry-run", dead, foreign},
		{"dead", "replay", foreign, "--set", badText + "=1"}, {"dead", "resolve", "no" + foreign, "--note", "x"},
		{"merchant", "list"}, {"merchant", "list", "no" + badText}, {"merchant", "resume", badText}, {"audit"},
		{"audit", "--what", badText}, {"schedule", "list"}, {"schedule", "run", badText}, {"schedule", "run", "night", "--dry-run"},
		{"enqueue", "trigger-issue", "--tsr", badText}, {
			"enqueue", "batch", inFile(t, `{"type":"`+strings.ReplaceAll(badText, "\n", "")+`","data":{}}`),
		}, {"doctor"}, {badText}, {"dead", "list", "--" + badText},
	} {
		name := strings.ReplaceAll(strings.Join(command, " "), badText, "…")
		r := b.run(command...)
		if got := showsHidden(r.stdout + r.stderr); got != "" {
			t.Errorf("%s: %q in\n%q", name, got, r.stdout+r.stderr)
		}
		if strings.Contains(r.stdout+r.stderr, "\nforged") {
			t.Errorf("%s: a line is forged:\n%s%s", name, r.stdout, r.stderr)
		}
		if !slices.Contains(command, "csv") {
			for line := range strings.Lines(r.stdout) {
				wantOneObject(t, name, line)
			}
		} else if rows, err := csv.NewReader(strings.NewReader(r.stdout)).ReadAll(); err != nil || len(rows) != 3 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
		withStderr := func(c *exec.Cmd, terminal *os.File) { c.Stderr = terminal }
		if shown := b.onTerminalToo(withStderr, nil, command...); showsHidden(shown) != "" || strings.Contains(shown, "\nforged") {
			t.Errorf("%s on a terminal: %q in\n%q", name, showsHidden(shown), shown)
		}
	}
	var letter struct {
		ID, Type, Reason string
		ReasonZh         string `json:"reason_zh"`
	}
	b.must(json.Unmarshal([]byte(b.run("dead", "show", foreign).stdout), &letter))
	if letter.ID != foreign || letter.Type != badText || letter.Reason != badText || letter.ReasonZh != badText {
		t.Errorf("JSON has lost something: %+q", letter)
	}
	if got := b.show(waits); got.Reason != badText || got.MerchantID != merchantID {
		t.Errorf("task show: %+v", got)
	}
	b.run("merchant", "resume", merchantID)
	w := b.worker()
	b.run("dead", "replay", dead)
	w.awaitLog("attempt finished")
	w.stop()
	if log := w.err.String(); showsHidden(log) != "" || !strings.Contains(log, `\u202e`) && !strings.Contains(log, `\u200b`) {
		t.Errorf("the log for programs has %q, want it escaped:\n%s", showsHidden(log), log)
	}
	// What has such an id is dealt with like any other.
	if r := b.run("dead", "resolve", foreign, "--note", "x"); r.code != 0 || !strings.Contains(r.stdout, `"outcome":"resolved"`) {
		t.Errorf("resolve: %+v", r)
	}
}

// wantOneObject wants a line to be a JSON object in which every time is one of Taipei.
func wantOneObject(t *testing.T, name, line string) {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		t.Errorf("%s: a line is no JSON object: %v\n%q", name, err, line)
	}
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case string:
			if at, err := time.Parse(time.RFC3339, v); err == nil && !strings.HasSuffix(v, "+08:00") {
				t.Errorf("%s: the time %s is not of Taipei: %s", name, at, line)
			}
		case []any:
			for _, one := range v {
				look(one)
			}
		case map[string]any:
			for _, one := range v {
				look(one)
			}
		}
	}
	look(object)
}

// setWidth makes a terminal so many columns wide.
func setWidth(t *testing.T, terminal *os.File, columns uint16) {
	t.Helper()
	size := [4]uint16{24, columns}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		t.Fatal(errno)
	}
}

func TestTablesFitTheTerminalAndLeaveIDsWhole(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	dead, waits, _ := b.stored()
	for _, row := range []struct {
		command []string
		id      string
	}{
		{[]string{"task", "show", dead}, dead}, {[]string{"task", "list"}, waits},
		{[]string{"dead", "list"}, dead}, {[]string{"dead", "show", dead}, dead},
		{[]string{"merchant", "list"}, merchantID}, {[]string{"audit"}, ""},
		{[]string{"schedule", "list"}, "night"}, {[]string{"doctor"}, "redis"},
		{[]string{"enqueue", "trigger-issue", "--tsr", "WAITS"}, waits},
		{[]string{"dead", "replay", "b2b.invalid.2000132.VG99999999.2026-01-01"}, "b2b.invalid.2000132.VG99999999.2026-01-01"},
	} {
		for _, columns := range []uint16{200, 80, 30} {
			width := func(_ *exec.Cmd, terminal *os.File) { setWidth(t, terminal, columns) }
			shown := b.onTerminalToo(width, nil, row.command...)
			if !strings.Contains(shown, row.id) || shown == "" {
				t.Errorf("%v at %d columns: no %s in one piece in\n%s", row.command, columns, row.id, shown)
			}
			for line := range strings.Lines(shown) {
				line = strings.TrimRight(line, "\n")
				got, words := text.StringWidthWithoutEscSequences(line), strings.Fields(line)
				if got > int(columns) && len(words) > 1 {
					t.Errorf("%v: a line takes %d columns of %d:\n%s", row.command, got, columns, line)
				}
			}
		}
	}
}
