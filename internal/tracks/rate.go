package tracks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// week is how far back outcomes are counted, as far as they are kept.
const week = 7 * 24 * time.Hour

// issuing are the types of tasks of which one, when it is done, has used a number, or will have. A staged invoice is
// counted by its trigger or, where it is issued without one, when its number is known.
var issuing = map[string]ecpay.Category{"b2c:issue": ecpay.B2C, "b2c:trigger_issue": ecpay.B2C, "b2b:issue": ecpay.B2B}

// IssuedInADay is how many invoices the outcomes of the last week show, by day and rounded up.
func IssuedInADay(ctx context.Context, r *record.Reader, merchantID string, now time.Time) (map[ecpay.Category]int, error) {
	count := map[ecpay.Category]int{}
	first := now
	query := record.OutcomeQuery{Merchants: []string{merchantID}, Since: now.Add(-week), Limit: record.MaxOutcomes}
	for {
		page, err := r.Outcomes(ctx, query)
		if err == nil && len(page.Broken) > 0 {
			err = errors.New("another program wrote their key")
		}
		if err != nil {
			return nil, fmt.Errorf("read outcomes of merchant %s: %w", merchantID, err)
		}
		for _, o := range page.Outcomes {
			if o.At.Before(first) {
				first = o.At
			}
			c, ok := issuing[o.Type]
			switch {
			case ok && o.State == record.OutcomeDone:
				count[c]++
			case o.Type == "b2c:delay_issue" && o.State == record.OutcomeIssued:
				count[ecpay.B2C]++
			}
		}
		if n := len(page.Outcomes); n == 0 || page.Outcomes[n-1].At.After(now) {
			break
		}
		query.After = page.Next
	}
	days := int((now.Sub(first) + 24*time.Hour - 1) / (24 * time.Hour))
	for c, n := range count {
		count[c] = (n + max(days, 1) - 1) / max(days, 1)
	}
	return count, nil
}
