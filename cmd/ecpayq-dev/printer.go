package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// printer tells the tour's story.
type printer struct {
	out    io.Writer
	colour bool
}

func newPrinter(out io.Writer) *printer {
	f, ok := out.(*os.File)
	_, plain := os.LookupEnv("NO_COLOR")
	return &printer{out, ok && !plain && term.IsTerminal(int(f.Fd()))}
}

func (p *printer) say(lines ...string) {
	for _, l := range lines {
		fmt.Fprintln(p.out, l)
	}
}

func (p *printer) paint(c text.Color, s string) string {
	if !p.colour {
		return s
	}
	return c.Sprint(s)
}

func (p *printer) welcome(s *stack) {
	p.say(
		p.paint(text.Bold, "ecpayq: a guided tour / 導覽"),
		"",
		"A shop enqueues what it wants; a worker carries it to ECPay until there is a definite answer.",
		"Everything runs in this process and on this machine only:",
		"  redis      "+s.redisKind,
		"  ECPay      a strict fake on "+s.fake.URL()+" that keeps a ledger of what it was asked and what it did",
		"  worker     metrics and health on http://"+s.worker.AdminAddr(),
		"  dashboard  "+s.dashboard.URL(),
		"  HTTP API   "+s.api.URL(),
		"",
		"The shop has staged five delayed invoices (DelayIssue) at checkout; two B2B invoices and an allowance exist.",
	)
}

func (p *printer) step(n, of int, s step) {
	p.say("", p.paint(text.Bold, fmt.Sprintf("%d/%d  %s / %s", n, of, s.title, s.zh)), indent(s.why))
}

// indent wraps a paragraph.
func indent(s string) string {
	lines := strings.Split(text.WrapSoft(s, 110), "\n")
	for i, l := range lines {
		lines[i] = "  " + strings.TrimSpace(l)
	}
	return strings.Join(lines, "\n")
}

func (p *printer) receipt(command string, r enqueue.Receipt) {
	p.say("  $ " + command)
	note := r.State
	if r.Duplicate {
		note = "duplicate of an earlier task that is " + r.State
	}
	p.say("  task " + r.ID + " (" + note + ")")
}

// call shows one request as ECPay saw it.
func (p *printer) call(c ecpaytest.Call) {
	answer := fmt.Sprintf("RtnCode %d", c.RtnCode)
	if c.Dropped {
		answer = "no answer"
	}
	p.say(fmt.Sprintf("  ECPay saw %s %s at %s with timestamp %d (%d ms old): %s", c.Operation, c.Subject,
		c.At.Format(time.TimeOnly), c.Timestamp, c.At.Sub(time.Unix(c.Timestamp, 0)).Milliseconds(), answer))
}

func (p *printer) died(t record.Task) {
	p.say(p.paint(text.FgRed, fmt.Sprintf("  the task is %s: RtnCode %d %s", t.State, t.RtnCode, t.RtnMsg)), "  reason: "+t.Why().Both(),
		"  ... the cause is mended at ECPay, then Run is pressed on the dashboard:")
}

func (p *printer) outcome(r result) {
	effects := r.Effects
	if effects == "" {
		effects = "none"
	}
	p.say(fmt.Sprintf("  %s  %s (%s) after %d attempt(s); new effects at ECPay: %s", p.mark(r.OK), r.State, r.Kind, r.Attempts, effects))
	if !r.OK {
		p.say("  " + p.paint(text.FgRed, r.Problem))
	}
}

func (p *printer) mark(ok bool) string {
	if ok {
		return p.paint(text.FgGreen, "ok")
	}
	return p.paint(text.FgRed, "WRONG")
}

func (p *printer) table(results []result) {
	t := table.NewWriter()
	t.SetOutputMirror(p.out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"#", "step", "步驟", "state", "kind", "attempts", "RtnCode", "effects at ECPay", ""})
	effects, oldest := 0, int64(0)
	for i, r := range results {
		if r.Effects != "" {
			effects += 1 + strings.Count(r.Effects, ",")
		}
		oldest = max(oldest, r.OldestMs)
		t.AppendRow(table.Row{i + 1, r.Step, r.StepZhTW, r.State, r.Kind, r.Attempts, r.RtnCode, r.Effects, p.mark(r.OK)})
	}
	p.say("")
	t.Render()
	p.say(fmt.Sprintf("%d of %d steps went as they should; %d effects at ECPay, each once; the oldest timestamp "+
		"was %d ms old on arrival (ECPay's limit: 600000)",
		len(results)-failures(results), len(results), effects, oldest))
}

func (p *printer) serving(s *stack) {
	p.say("",
		p.paint(text.Bold, "Everything keeps running until Ctrl-C. In another terminal:"),
		"  export ECPAYQ_REDIS_URL="+s.redisURL+" ECPAYQ_PAYLOAD_PLAINTEXT=true",
		"  go run ./cmd/ecpayq enqueue get-allowance-confirm --merchant-id "+merchantID+" --allowance-no "+allowanceNo,
		"  go run ./cmd/ecpayq task wait b2b.get_allowance_confirm."+merchantID+"."+allowanceNo,
		"",
		"Or by HTTP, from any language:",
		"  "+s.curl(),
		"",
		"  dashboard            "+s.dashboard.URL(),
		"  HTTP API             "+s.api.URL()+"/openapi.yaml",
		"  metrics              http://"+s.worker.AdminAddr()+"/metrics",
		"  what ECPay was asked "+s.fake.URL()+"/_fake/calls",
		"  what ECPay did       "+s.fake.URL()+"/_fake/effects",
	)
}

// curl is a command that enqueues an intent.
func (s *stack) curl() string {
	return "curl -s " + s.api.URL() + `/v1/intents -H 'Content-Type: application/json' -d '{"type":"b2b:get_allowance_confirm",` +
		`"data":{"MerchantID":"` + merchantID + `","AllowanceNo":"` + allowanceNo + `"}}'`
}

func printResultsJSON(out io.Writer, results []result) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(results)
}
