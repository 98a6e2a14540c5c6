package main_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// openTerminal returns both ends of a new terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be opened here: %v", err)
	}
	var number uint32
	for _, call := range []struct {
		request uintptr
		value   *uint32
	}{{syscall.TIOCSPTLCK, new(uint32)}, {syscall.TIOCGPTN, &number}} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), call.request, uintptr(unsafe.Pointer(call.value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be opened here: %v", err)
	}
	return master, slave
}

// onTerminal runs ecpayq with stdout on a terminal and returns what stands there.
func (b *bench) onTerminal(changes env, args ...string) string {
	b.Helper()
	return b.onTerminalToo(func(*exec.Cmd, *os.File) {}, changes, args...)
}

// onTerminalToo is onTerminal with more of the command on the terminal.
func (b *bench) onTerminalToo(more func(*exec.Cmd, *os.File), changes env, args ...string) string {
	b.Helper()
	master, slave := openTerminal(b.T)
	defer master.Close()
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Stdout, cmd.SysProcAttr = b.env.with(changes).list(), slave, childAttr()
	more(cmd, slave)
	shown := make(chan string)
	go func() {
		text, _ := io.ReadAll(master) // ends with an error when the last slave is closed
		shown <- string(text)
	}()
	_ = cmd.Run() // a dead task ends it with exit code 1
	slave.Close()
	return strings.ReplaceAll(<-shown, "\r\n", "\n")
}

func TestPeopleAtATerminalGetTablesAndProgramsGetJSON(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000099", InvoiceDate: invoiceDate}))
	// A message that would clear the screen and forge a line.
	b.fake.Inject(ecpaytest.Match{Operation: "B2B Invalid"}, ecpaytest.Fault{RtnCode: 5070450, RtnMsg: "折讓過\x1b[2J\r\n偽造", Times: -1})
	enqueued := b.onTerminal(nil, "enqueue", "invalid", "--invoice-number", "VG11000099", "--invoice-date", invoiceDate, "--reason", "訂單取消")
	const id = "b2b.invalid.2000132.VG11000099." + invoiceDate
	for _, want := range []string{"│", id, "pending", "ecpayq task wait " + id} {
		if !strings.Contains(enqueued, want) {
			t.Errorf("enqueue on a terminal: got\n%swant a table with %q", enqueued, want)
		}
	}
	again := b.onTerminal(nil, "enqueue", "invalid", "--invoice-number", "VG11000099",
		"--invoice-date", invoiceDate, "--reason", "訂單取消", "--json")
	if !strings.HasPrefix(again, "{") {
		t.Errorf("enqueue --json on a terminal: got %q, want JSON", again)
	}
	b.worker()
	b.waitFor(id, "dead")
	shown := b.onTerminal(nil, "task", "show", id)
	for _, want := range []string{"│", "dead", "Rejected", "5070450", "折讓過", "請修正後重新執行", "\x1b["} {
		if !strings.Contains(shown, want) {
			t.Errorf("task show on a terminal: got\n%qwant a table in colour with %q", shown, want)
		}
	}
	if strings.Contains(shown, "\x1b[2J") {
		t.Errorf("ECPay's message drives the terminal: %q", shown)
	}
	plain := b.onTerminal(env{"NO_COLOR": "1"}, "task", "show", id)
	if strings.Contains(plain, "\x1b") {
		t.Errorf("with NO_COLOR: got %q, want no escape sequence", plain)
	}
	b.dead("resolve", id, "--note", "done by\x1b[2Jhand")
	audit := b.onTerminal(nil, "audit")
	for _, want := range []string{"│", id, "resolve", "done by\ufffd[2Jhand"} {
		if !strings.Contains(audit, want) {
			t.Errorf("audit on a terminal: got\n%qwant a table with %q", audit, want)
		}
	}
	if one := b.onTerminal(nil, "audit", "--json"); !strings.HasPrefix(one, "{") {
		t.Errorf("audit --json on a terminal: got %q, want JSON", one)
	}
	b.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{TransCode: 115, TransMsg: "B2C/B2B功能尚未開通\x1b[2J"})
	b.await(b.enqueue("cancel-delay-issue", "--tsr", "TERMINAL1").ID, "held")
	merchants := b.onTerminal(nil, "merchant", "list")
	for _, want := range []string{"│", merchantID, "200ms", "B2C: key ", "refused since", "尚未開通", "\x1b["} {
		if !strings.Contains(merchants, want) {
			t.Errorf("merchant list on a terminal: got\n%qwant a table in colour with %q", merchants, want)
		}
	}
	if strings.Contains(merchants, "\x1b[2J") {
		t.Errorf("ECPay's message drives the terminal: %q", merchants)
	}
	if got := b.onTerminal(nil, "merchant", "resume", merchantID); !strings.Contains(got, "│") ||
		!strings.Contains(strings.ToLower(got), "tasks woken") {
		t.Errorf("merchant resume on a terminal: got\n%swant a table", got)
	}
	doctor := b.onTerminal(nil, "doctor")
	for _, want := range []string{"│", "configuration", "redis durability", "warning", "hint: "} {
		if !strings.Contains(strings.ToLower(doctor), want) {
			t.Errorf("doctor on a terminal: got\n%swant a table with %q", doctor, want)
		}
	}
}

func TestABatchOnATerminalShowsABarAndTheCountInTheEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	withStderr := func(c *exec.Cmd, terminal *os.File) { c.Stderr = terminal }
	shown := b.onTerminalToo(withStderr, nil, "enqueue", "batch", inFile(t, triggers(2000)+"{}\n"))
	for _, want := range []string{"enqueue", "enqueue ... done!", "│ stored  │ 2000 │",
		"│ invalid │    1 │", "line 2001: type is required", "ecpayq: error: 1 of 2001 lines"} {
		if !strings.Contains(shown, want) {
			t.Errorf("got\n%q\nwant %q in it", shown, want)
		}
	}
	if short := b.onTerminalToo(withStderr, nil, "enqueue", "batch", inFile(t, triggers(2))); strings.Contains(short, "%") {
		t.Errorf("got a bar for two lines:\n%q", short)
	}
}
