package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (p *program) deadExport(ctx context.Context, c *cli.Command) func(*deadletter.Ledger) error {
	return func(l *deadletter.Ledger) error {
		f, err := liveFilter(c)
		if err != nil {
			return err
		}
		write, flush := func(l deadletter.Letter) error { return p.printJSON(l.Full()) }, func() error { return nil }
		switch format := c.String("format"); format {
		case "ndjson":
		case "csv":
			w := csv.NewWriter(p.out)
			if err := w.Write(csvHeader); err != nil {
				return err
			}
			write, flush = func(l deadletter.Letter) error { return w.Write(csvRow(l)) }, func() error { w.Flush(); return w.Error() }
		default:
			return usageError{fmt.Errorf("--format is %q; it must be ndjson or csv", format)}
		}
		total, err := l.Count(ctx, f)
		if err != nil {
			return err
		}
		bar := p.startBar("export", total)
		defer bar.stop()
		return p.lists(&f, func() error {
			for letter, err := range l.List(ctx, f) {
				if err == nil {
					err = write(letter)
				}
				if err != nil {
					return err
				}
				bar.step()
			}
			return flush()
		})
	}
}

var csvHeader = []string{
	"id", "type", "queue", "merchant_id", "kind", "http_status", "trans_code", "rtn_code", "rtn_msg",
	"reason", "reason_zh", "advice", "advice_zh",
	"died_at", "attempts", "state", "by", "payload", "payload_base64",
}

func csvRow(l deadletter.Letter) []string {
	full := l.Full()
	row := []string{
		l.ID, l.Type, l.Queue, l.MerchantID, l.Kind.String(), code(int64(l.HTTPStatus)), code(int64(l.TransCode)), code(l.RtnCode),
		l.RtnMsg, l.Reason, l.ReasonZh, l.Advice, l.AdviceZh, l.DiedAt.Format(time.RFC3339), strconv.Itoa(l.Attempts), l.State, l.By,
		string(full.Payload), base64Text(full.PayloadBase64),
	}
	for i, v := range row {
		switch csvHeader[i] {
		case "rtn_code", "trans_code":
		case "payload":
			row[i] = inert(string(clean.JSON([]byte(v))))
		default:
			row[i] = inert(clean.Text(v))
		}
	}
	return row
}
