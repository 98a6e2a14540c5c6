package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/config"
)

func (p *program) outcomesCommand() *cli.Command {
	return &cli.Command{
		Name: "outcomes", Usage: "print how tasks ended, one JSON line for each end, each with the cursor to go on after it",
		Description: "Lines are in order within a merchant, numbered by seq without a gap.",
		Flags: append(p.cfg.Flags(config.Reader),
			&cli.StringFlag{Name: "after", Usage: "go on after this cursor; without it, begin with the oldest that is kept"},
			&config.BoolFlag{Name: "follow", Usage: "wait for more at the end"},
			&cli.StringSliceFlag{Name: "merchant-id", Aliases: []string{"merchant"}, Usage: "only this merchant; may be given several times"},
			&config.IntFlag{Name: "limit", Usage: "at most this many; 0 for all"},
		),
		Action: p.printOutcomes,
	}
}

// outcomeLine is an outcome with where to go on.
type outcomeLine struct {
	enqueue.Outcome
	Cursor string `json:"cursor"`
}

func (p *program) printOutcomes(ctx context.Context, c *cli.Command) error {
	if err := errors.Join(notEmpty(c, "after"), noArgs(c)); err != nil {
		return err
	}
	limit := c.Int("limit")
	if limit < 0 {
		return usageError{errors.New("--limit must not be negative; 0 is all")}
	}
	client, err := p.client(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	var broken error
	n, f := 0, enqueue.Feed{After: c.String("after"), Merchants: c.StringSlice("merchant-id"), Follow: c.Bool("follow")}
	f.Broken = func(merchants []string) {
		broken = hinted("move the key away (redis-cli RENAME); ecpayq makes it anew, and the other merchants are not concerned",
			fmt.Sprintf("another program wrote the key of outcomes of %s: they cannot be read", strings.Join(merchants, ", ")))
		if f.Follow {
			printError(p.err, broken)
		}
	}
	for o, err := range client.Outcomes(ctx, f) {
		var query *enqueue.OutcomeQueryError
		switch {
		case err != nil && ctx.Err() != nil:
			return broken // it was told to end
		case errors.Is(err, enqueue.ErrCursor), errors.As(err, &query):
			return usageError{err}
		case err != nil:
			return err
		}
		if err := p.printJSON(outcomeLine{o, o.Cursor}); err != nil {
			return err
		}
		if n++; n == limit {
			break
		}
	}
	return broken
}
