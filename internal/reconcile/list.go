package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Ask asks ECPay one question, at the pace of its merchant. The error is an [*ecpay.Error] where ECPay refused.
type Ask func(ctx context.Context, q ecpay.Request) (ecpay.Response, error)

const (
	// DefaultPageSize is how many invoices are asked for at once: of so many, an answer within
	// [ecpay.MaxResponseBytes] has room for about fifty items of each.
	DefaultPageSize = 100
	// maxPages bounds one list.
	maxPages = 20000
)

// ErrIncomplete means that ECPay's pages have fewer invoices than it says there are.
var ErrIncomplete = errors.New("ECPay's list is not whole")

// none reports whether ECPay refused because there is no invoice on these days. What it answers then is not documented:
// 2 and 7 are its codes for nothing found.
func none(err error) bool {
	var e *ecpay.Error
	return errors.As(err, &e) && (e.RtnCode == 2 || e.RtnCode == 7)
}

// List asks for all invoices of a day in Asia/Taipei, the newest first. An invoice that is issued meanwhile moves the others
// to later pages, where they are met twice.
func List(ctx context.Context, ask Ask, merchantID string, day time.Time, pageSize int) ([]Invoice, error) {
	date := day.In(ecpay.Taipei).Format(time.DateOnly)
	var all []Invoice
	at := map[string]int{} // by number, in all
	total := 0             // when it was begun; what is issued later comes first, and may be missed
	for page := 1; page <= maxPages; page++ {
		answer, err := ask(ctx, &ecpay.B2CGetIssueListRequest{
			MerchantID: merchantID, BeginDate: date, EndDate: date, NumPerPage: pageSize, ShowingPage: page,
		})
		if none(err) && page == 1 {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("page %d of GetIssueList of %s: %w", page, date, err)
		}
		r, ok := answer.(*ecpay.B2CGetIssueListResponse)
		if !ok {
			return nil, fmt.Errorf("page %d of GetIssueList of %s: got %T", page, date, answer)
		}
		if page == 1 {
			total = int(r.TotalCount)
		}
		for _, i := range r.InvoiceData.Value {
			n, met := at[string(i.IIS_Number)]
			switch {
			case !met:
				at[string(i.IIS_Number)] = len(all)
				all = append(all, InvoiceOf(i))
			case i.IIS_Issue_Status != "0": // "0" is what was cancelled (註銷) to be issued anew under the same number
				all[n] = InvoiceOf(i)
			}
		}
		if len(r.InvoiceData.Value) == 0 || page*pageSize >= int(r.TotalCount) {
			if len(all) < total {
				return nil, fmt.Errorf("%w: %d invoices of %s on %d pages, want %d; ask again", ErrIncomplete, len(all), date, page, total)
			}
			return all, nil
		}
	}
	return nil, fmt.Errorf("GetIssueList of %s has more than %d pages of %d", date, maxPages, pageSize)
}
