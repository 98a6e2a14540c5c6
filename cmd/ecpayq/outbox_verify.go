package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

func (p *program) outboxVerifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "prove that the table and the queue agree; exit code 1 and a line for each that does not",
		Description: "Every row older than a minute must be relayed or have an error. With --orders, every order that the query gives\n" +
			"must have its b2c:trigger_issue: in the queue, ended, or still in the table. Redis forgets what ended long ago\n" +
			"(ECPAYQ_FINISH_TTL): with --ask-ecpay, ECPay is asked then for the invoice, by the RelateNumber that the query\n" +
			"gives, or by the Tsr where ECPAYQ_TSR_IS_RELATE_NUMBER is set, along the merchant's pace.",
		Flags: append(p.cfg.Flags(config.Worker), jsonFlag(),
			&cli.StringFlag{Name: "orders", Usage: "a query of the shop's database that gives MerchantID and Tsr, and RelateNumber " +
				`if there is one, like "SELECT merchant_id, tsr FROM orders WHERE paid_at > '2026-01-01'"`},
			&config.BoolFlag{Name: "ask-ecpay", Usage: "ask ECPay about orders of which Redis knows nothing; it needs the merchants' keys"}),
		Action: p.outbox(p.outboxVerify),
	}
}

// verified is the last line that verify prints.
type verified struct {
	Late    int `json:"late"`
	Wrong   int `json:"wrong"`
	Orders  int `json:"orders"`
	Issued  int `json:"issued,omitempty"` // by ECPay's word, which was asked
	Missing int `json:"missing"`
}

// missing is an order without a task.
type missing struct {
	relay.Order
	ID string `json:"id,omitempty"`
	// ECPay is what ECPay said, or why it was not asked.
	ECPay string `json:"ecpay,omitempty"`
}

func (p *program) outboxVerify(ctx context.Context, c *cli.Command, a *relay.Admin) error {
	if err := errors.Join(notEmpty(c, "orders"), noArgs(c)); err != nil {
		return err
	}
	if c.Bool("ask-ecpay") && c.String("orders") == "" {
		return usageError{errors.New("--ask-ecpay is about orders: give --orders, too")}
	}
	if err := a.Whole(ctx); err != nil { // nothing could be proven
		return err
	}
	var v verified
	err := a.Late(ctx, func(r relay.Row) error {
		v.Late++
		if p.wantsTable(c) {
			p.say("row %d of %s is not relayed / 第 %d 列尚未送入", r.ID, taipei(&r.CreatedAt), r.ID)
			return nil
		}
		return p.printJSON(map[string]any{"late": r})
	})
	if err != nil {
		return err
	}
	if v.Wrong, err = a.Wrong(ctx); err != nil {
		return err
	}
	if c.String("orders") != "" {
		if err := p.withRedis(func(rdb redis.UniversalClient) error { return p.verifyOrders(ctx, c, a, rdb, &v) }); err != nil {
			return err
		}
	}
	if p.wantsTable(c) {
		p.say("late %d, wrong %d, orders %d, issued by ECPay's word %d, without a task %d / 逾時未送 %d，有誤 %d，訂單 %d，綠界稱已開立 %d，缺任務 %d",
			v.Late, v.Wrong, v.Orders, v.Issued, v.Missing, v.Late, v.Wrong, v.Orders, v.Issued, v.Missing)
	} else if err := p.printJSON(map[string]any{"summary": v}); err != nil {
		return err
	}
	if v.Late+v.Missing > 0 {
		return fmt.Errorf("the table and the queue do not agree: %d rows are late, %d orders have no task", v.Late, v.Missing)
	}
	return nil
}

// verifyOrders looks for the task of every order: in Redis, then in the table, and in Redis again, since a
// row may be relayed between two looks.
func (p *program) verifyOrders(ctx context.Context, c *cli.Command, a *relay.Admin, rdb redis.UniversalClient, v *verified) error {
	reader := record.NewReader(rdb)
	absent, page := map[string]relay.Order{}, map[string]relay.Order{}
	var impossible []missing
	look := func() error {
		err := copyMissing(ctx, reader, absent, page)
		clear(page)
		return err
	}
	err := a.Orders(ctx, c.String("orders"), func(o relay.Order) error {
		v.Orders++
		payload := triggerOf(o)
		if err := payload.Validate(); err != nil {
			impossible = append(impossible, missing{Order: o, ECPay: err.Error()}) // no task can be of it
			return nil
		}
		if page[tasks.ID(payload)] = o; len(page) < 500 {
			return nil
		}
		return look()
	})
	if err == nil {
		err = look()
	}
	if err == nil && len(absent) > 0 {
		err = a.List(ctx, true, func(r relay.Row) error { delete(absent, r.TaskID); return nil })
	}
	still := map[string]relay.Order{}
	if err == nil {
		err = copyMissing(ctx, reader, still, absent)
	}
	if err != nil {
		return err
	}
	gone := impossible
	for _, id := range slices.Sorted(maps.Keys(still)) {
		gone = append(gone, missing{Order: still[id], ID: id})
	}
	if c.Bool("ask-ecpay") {
		if gone, err = p.askAboutOrders(ctx, rdb, gone, v); err != nil {
			return err
		}
	}
	v.Missing = len(gone)
	for _, m := range gone {
		if p.wantsTable(c) {
			p.say("order %s of merchant %s has no task / 特店 %s 的訂單 %s 沒有任務 %s", m.Tsr, m.MerchantID, m.MerchantID, m.Tsr, m.ECPay)
		} else if err := p.printJSON(map[string]any{"missing": m}); err != nil {
			return err
		}
	}
	return nil
}

func triggerOf(o relay.Order) *tasks.B2CTriggerIssue {
	return &tasks.B2CTriggerIssue{MerchantID: o.MerchantID, Tsr: o.Tsr, RelateNumber: o.RelateNumber}
}

// copyMissing copies the orders that Redis knows nothing of.
func copyMissing(ctx context.Context, reader *record.Reader, to, from map[string]relay.Order) error {
	for ids := range slices.Chunk(slices.Collect(maps.Keys(from)), 500) {
		for i, f := range reader.GetAll(ctx, ids) {
			switch {
			case errors.Is(f.Err, record.ErrNotFound):
				to[ids[i]] = from[ids[i]]
			case f.Err != nil && !errors.Is(f.Err, record.ErrStuck):
				return f.Err
			}
		}
	}
	return nil
}

// askAboutOrders asks ECPay for the invoices of orders, and returns those of which it knows none.
func (p *program) askAboutOrders(
	ctx context.Context, rdb redis.UniversalClient, orders []missing, v *verified,
) (gone []missing, err error) {
	dir, err := p.cfg.Open()
	if err != nil {
		return nil, err
	}
	ask, err := p.newAsker("verify", turnWait, dir, gate.NewQuestions(rdb))
	if err != nil {
		return nil, err
	}
	defer ask.client.CloseIdleConnections()
	for _, o := range orders {
		if o.ID != "" {
			o.ECPay = ask.order(ctx, dir, o.Order)
		}
		if o.ID != "" && o.ECPay == "" {
			v.Issued++
			continue
		}
		gone = append(gone, o)
	}
	return gone, ctx.Err()
}

// order asks for the invoice of an order. It returns why it is not known to be issued, or nothing.
func (a *asker) order(ctx context.Context, dir *config.Directory, o relay.Order) string {
	m, err := dir.Merchant(ctx, o.MerchantID)
	if err != nil {
		return err.Error()
	}
	question := tasks.AskOf(triggerOf(o), m.TsrIsRelateNumber)
	if question == nil {
		return "its RelateNumber is not known"
	}
	_, refusal, why := a.once(ctx, m, question.Request)
	if why == "" && refusal != nil {
		why = refusal.Error()
	}
	return why
}
