package main

import (
	"context"
	"reflect"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/ask"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// queryCommand has a subcommand for every query of ECPay's, with a flag for every field.
func (p *program) queryCommand() *cli.Command {
	c := &cli.Command{
		Name: "query", Usage: "ask ECPay something at once, along the merchant's pace; nothing is stored",
	}
	for _, op := range ecpay.Operations() {
		if op.NewQuery() != nil {
			c.Commands = append(c.Commands, p.queryOf(op))
		}
	}
	return c
}

// queryEnv are the settings that a command reads which asks ECPay: where Redis and ECPay are, the keys, the pace.
// ECPAYQ_MERCHANT_ID has no flag of its own here: it names the merchant whose keys are in variables, and --merchant-id
// the one that is asked for.
var queryEnv = []string{
	"ECPAYQ_REDIS_URL", "ECPAYQ_REDIS_URL_FILE", "ECPAYQ_ECPAY_URL", "ECPAYQ_CONFIG", "ECPAYQ_MERCHANT_ID_FILE",
	"ECPAYQ_HASH_KEY_FILE", "ECPAYQ_HASH_IV_FILE",
	"ECPAYQ_PLATFORM_ID", "ECPAYQ_PLATFORM_ID_FILE", "ECPAYQ_MERCHANT_INTERVAL", "ECPAYQ_MERCHANT_IN_FLIGHT", "ECPAYQ_BAN_PAUSE",
}

func (p *program) queryOf(op ecpay.Operation) *cli.Command {
	c := &cli.Command{
		Name: tasks.CommandOf(op), Usage: "ECPay " + op.String(),
		Description: "Prints what ECPay answers, without the buyer's data. Exit code 1 where it finds nothing or refuses: that is\n" +
			"printed, too, with the kind and what the code means.",
	}
	c.Flags = p.askFlags()
	if ask.ForPDF(op.NewQuery()) {
		c.Name = "b2b-download-b2b-pdf" // in DownloadB2BPdf, B2B is a word
		c.Flags = append(c.Flags, p.cfg.FlagOf("ECPAYQ_EGRESS"), outFlag())
		c.Description = "Writes the PDF to a file, and prints its name and size. ECPay takes few such calls from an address: one in ten\n" +
			"seconds is sent, of all that share a Redis and --egress. Exit code 1 where it finds nothing or refuses: that is printed."
	}
	fields := reflect.ValueOf(op.NewQuery()).Elem()
	for _, f := range queryFields(op, fields.Type()) {
		if flag := p.fieldFlag(f, fields.FieldByName(f.Name).Type()); flag != nil {
			c.Flags = append(c.Flags, flag)
		}
	}
	c.Action = func(ctx context.Context, c *cli.Command) error {
		if err := noArgs(c); err != nil {
			return err
		}
		p.cfg.MerchantID, _ = p.env("ECPAYQ_MERCHANT_ID")
		req := op.NewQuery()
		fill(c, reflect.ValueOf(req).Elem())
		if err := req.Validate(); err != nil {
			return &config.Hint{Err: err, Text: "nothing was asked; mend " + strings.Join(flagsOf(err), ", ")}
		}
		if ask.ForPDF(req) {
			if err := checkOut(c.String("out")); err != nil {
				return err
			}
		}
		return p.withRedis(func(rdb redis.UniversalClient) error { return p.query(ctx, c, rdb, req) })
	}
	return c
}

// answered is what ECPay said to a query.
type answered struct {
	Operation string     `json:"operation"`
	Kind      ecpay.Kind `json:"kind"`
	RtnCode   int64      `json:"rtn_code"`
	RtnMsg    string     `json:"rtn_msg"`
	// Meaning is what the table of codes says of a refusal, in English and in the Chinese of Taiwan.
	Meaning   string         `json:"meaning,omitempty"`
	MeaningZh string         `json:"meaning_zh,omitempty"`
	Answer    ecpay.Response `json:"answer,omitempty"`
	// Deadlines are those of the invoice that GetIssue shows.
	ecpay.Deadlines
}

func (p *program) query(ctx context.Context, c *cli.Command, rdb redis.UniversalClient, req ecpay.Request) error {
	dir, err := p.cfg.Open()
	if err != nil {
		return err
	}
	m, err := dir.Merchant(ctx, req.Merchant())
	if err != nil {
		return err
	}
	asker, err := p.newAsker("query", c.Duration("timeout"), dir, gate.NewQuestions(rdb))
	if err != nil {
		return err
	}
	defer asker.client.CloseIdleConnections()
	if ask.ForPDF(req) {
		over, why := asker.pdfTurn(ctx, p.cfg.Egress)
		if why != "" {
			return notAsked(req, why)
		}
		defer over()
	}
	answer, refusal, why := asker.once(ctx, m, req)
	switch {
	case why != "":
		return notAsked(req, why)
	case refusal != nil && refusal.RtnCode == 0:
		f := refusedBy("", refusal)
		return &config.Hint{Err: refusal, Text: strings.TrimPrefix(f.Hint+"\n"+f.HintZH, "\n")}
	}
	if file, ok := answer.(*ecpay.B2BDownloadB2BPdfResponse); ok && refusal == nil {
		return p.printPDF(c, req, file.PDF)
	}
	a := answered{Operation: req.Operation().String(), Kind: ecpay.KindOf(nil), Answer: answer}
	if refusal != nil {
		a.Kind, a.RtnCode, a.RtnMsg = refusal.Kind, refusal.RtnCode, refusal.Msg
		row, _ := dir.Codes.Lookup(req.Operation().ID(), refusal.RtnCode, 0)
		a.Meaning, a.MeaningZh = row.En, row.ZhTW
	} else {
		a.RtnCode, a.RtnMsg = answer.Result()
		a.Deadlines = reconcile.DeadlinesOfAnswer(answer)
	}
	if err := p.printAnswer(c, a); err != nil {
		return err
	}
	if refusal != nil {
		return errSilent
	}
	return nil
}

// notAsked says why a question was not sent.
func notAsked(req ecpay.Request, why string) error {
	return notAskedHint(&ask.NotAskedError{Op: req.Operation(), Why: why})
}

func notAskedHint(err error) error {
	return &config.Hint{Err: err, Text: "asking again is safe; --timeout waits longer"}
}

func (p *program) printAnswer(c *cli.Command, a answered) error {
	if !p.wantsTable(c) {
		return p.printJSON(a)
	}
	rows := []table.Row{{"operation", a.Operation}, {"kind", a.Kind.String()}, {"RtnCode", a.RtnCode}, {"RtnMsg", a.RtnMsg}}
	if a.Meaning != "" {
		rows = append(rows, table.Row{"meaning", a.Meaning + " / " + a.MeaningZh})
	}
	if a.Answer != nil {
		more, err := answerRows(a.Answer)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	p.printTable(nil, append(rows, deadlineRows(a.Deadlines)...))
	return nil
}

// deadlineRows are those of a table about one invoice.
func deadlineRows(d ecpay.Deadlines) []table.Row {
	var rows []table.Row
	if d.VoidUntil != nil {
		rows = append(rows, table.Row{"void until / 作廢期限", taipei(d.VoidUntil)})
	}
	if d.UploadDue != nil {
		rows = append(rows, table.Row{"upload due / 上傳期限", taipei(d.UploadDue)})
	}
	return rows
}
