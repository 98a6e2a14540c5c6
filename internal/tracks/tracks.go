// Package tracks tells how many invoice numbers (字軌) merchants have left at ECPay, and for how many days they last.
package tracks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// DefaultWarnDays is for how many days numbers last at least without a warning: the Ministry of Finance takes about five
// working days to give new ones.
const DefaultWarnDays = 7

// Range is one range of numbers, as ECPay has it.
type Range struct {
	TrackID string `json:"track_id,omitempty"`
	Header  string `json:"header"`
	Start   string `json:"start"`
	End     string `json:"end"`
	// Last is the number that was used last, empty before the first.
	Last string `json:"last,omitempty"`
	// UseStatus is ECPay's, [ecpay.WordNew] to [ecpay.WordRefused].
	UseStatus int `json:"use_status"`
}

// Standing is what a merchant has of one category, term and InvType.
type Standing struct {
	MerchantID string         `json:"merchant_id"`
	Category   ecpay.Category `json:"category"`
	// Year is of the Republic of China, Term 1 for January and February to 6 for November and December.
	Year    string `json:"year"`
	Term    int    `json:"term"`
	InvType string `json:"inv_type"`
	// Left are the numbers of ranges that are in use, Off those of ranges that have still to be turned on.
	Left int `json:"left"`
	Off  int `json:"off"`
	// PerDay is how many are used in a day, see [Look].
	PerDay int `json:"per_day"`
	// DaysLeft is for how many whole days Left lasts, nil where none is used.
	DaysLeft *int `json:"days_left"`
	// Begins and Ends are the first and the last second of the term.
	Begins time.Time `json:"begins"`
	Ends   time.Time `json:"ends"`
	Ranges []Range   `json:"ranges"`
	// Warning says that they end soon, and what to do; empty for not.
	Warning   string `json:"warning,omitempty"`
	WarningZh string `json:"warning_zh,omitempty"`
}

// Low reports whether the numbers end soon.
func (s Standing) Low() bool { return s.Warning != "" }

// Config is what a look needs.
type Config struct {
	Reader *record.Reader
	// Ask asks ECPay one question, at the pace of its merchant. Its error is an [*ecpay.Error] where ECPay refused.
	Ask func(context.Context, ecpay.Request) (ecpay.Response, error)
	// WarnDays is for how many days numbers last at least without a warning. Defaults to [DefaultWarnDays].
	WarnDays int
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// codeNothing is ECPay's answer where there is no range.
const codeNothing = 7

// transDisabled is ECPay's TransCode for a service that is not enabled.
const transDisabled = 115

// Look asks ECPay for the ranges of this term, and of the next one when that is near, and forecasts for how many days they last. A
// category that is not enabled, or has no range and no issue of ours, is left out.
//
// The numbers that are used in a day are the greater of two figures: what our outcomes of the last week issued, and what was used
// of this term's ranges since it began, which has what is issued by other means.
func Look(ctx context.Context, cfg Config, merchantID string) ([]Standing, error) {
	cfg.WarnDays = cmp.Or(cfg.WarnDays, DefaultWarnDays)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	rates, err := IssuedInADay(ctx, cfg.Reader, merchantID, cfg.Now())
	if err != nil {
		return nil, err
	}
	var all []Standing
	var disabled []error
	for _, c := range []ecpay.Category{ecpay.B2C, ecpay.B2B} {
		now := termOf(cfg.Now())
		words, err := ranges(ctx, cfg, merchantID, c, now)
		var refusal *ecpay.Error
		if errors.As(err, &refusal) && refusal.TransCode == transDisabled {
			disabled = append(disabled, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		these, err := standings(merchantID, c, now, words, rates[c], cfg.Now())
		if err != nil {
			return nil, err
		}
		all = append(all, these...)
		if next := termOf(now.ends.Add(time.Second)); cfg.Now().AddDate(0, 0, cfg.WarnDays).After(next.begins) && len(these) > 0 {
			words, err := ranges(ctx, cfg, merchantID, c, next)
			if err != nil {
				return nil, err
			}
			following, err := followers(these, next, words)
			if err != nil {
				return nil, err
			}
			all = append(all, following...)
		}
	}
	if len(disabled) == 2 {
		return nil, disabled[0] // 115 is also what ECPay says of a MerchantID that it does not know
	}
	for i := range all {
		all[i].warn(cfg.Now(), cfg.WarnDays)
	}
	return all, nil
}

// term is two months for which numbers are.
type term struct {
	year         string
	n            int
	begins, ends time.Time
}

func termOf(t time.Time) term {
	year, n := ecpay.InvoiceTermOf(t)
	day := t.In(ecpay.Taipei)
	begins := time.Date(day.Year(), time.Month(2*n-1), 1, 0, 0, 0, 0, ecpay.Taipei)
	return term{year, n, begins, begins.AddDate(0, 2, 0).Add(-time.Second)}
}

// ranges are those of a term, none where ECPay finds none.
func ranges(ctx context.Context, cfg Config, merchantID string, c ecpay.Category, t term) ([]ecpay.UsedInvoiceWord, error) {
	query := ecpay.InvoiceWordQuery{MerchantID: merchantID, InvoiceYear: t.year, InvoiceTerm: t.n}
	var q ecpay.Request = &ecpay.B2CGetInvoiceWordSettingRequest{InvoiceWordQuery: query}
	if c == ecpay.B2B {
		q = &ecpay.B2BGetInvoiceWordSettingRequest{InvoiceWordQuery: query}
	}
	answer, err := cfg.Ask(ctx, q)
	var refusal *ecpay.Error
	switch {
	case errors.As(err, &refusal) && refusal.RtnCode == codeNothing:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("tracks of %s, %s term %d: %w", c, t.year, t.n, err)
	}
	switch r := answer.(type) {
	case *ecpay.B2CGetInvoiceWordSettingResponse:
		return r.InvoiceInfo.Value, nil
	case *ecpay.B2BGetInvoiceWordSettingResponse:
		return r.InvoiceInfo.Value, nil
	}
	return nil, fmt.Errorf("tracks of %s: got %T", c, answer)
}

// general is the InvType of nearly all invoices.
const general = "07"

// standings are those of a term by InvType. issued is what our outcomes show, without the InvType: it is taken for that of which
// most was used.
func standings(
	merchantID string, c ecpay.Category, t term, words []ecpay.UsedInvoiceWord, issued int, now time.Time,
) ([]Standing, error) {
	used := map[string]int{}
	for _, w := range words {
		if w.UseStatus == ecpay.WordAwaiting || w.UseStatus == ecpay.WordRefused {
			continue
		}
		n, err := usedOf(w)
		if err != nil {
			return nil, err
		}
		used[string(w.InvType)] += n
	}
	most := general
	for invType, n := range used {
		if n > used[most] || used[most] == n && invType < most {
			most = invType
		}
	}
	if issued > 0 && len(used) == 0 {
		used[most] = 0 // so that it is told
	}
	elapsed := int(now.Sub(t.begins)/(24*time.Hour)) + 1
	var all []Standing
	for invType, n := range used {
		s, err := standingOf(merchantID, c, t, words, invType)
		if err != nil {
			return nil, err
		}
		s.PerDay = (n + elapsed - 1) / elapsed
		if invType == most {
			s.PerDay = max(s.PerDay, issued)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Standing) int { return cmp.Compare(a.InvType, b.InvType) })
	return all, nil
}

// followers are the standings of the next term, for which as much will be used as now.
func followers(now []Standing, next term, words []ecpay.UsedInvoiceWord) ([]Standing, error) {
	var all []Standing
	for _, s := range now {
		if s.PerDay == 0 {
			continue
		}
		f, err := standingOf(s.MerchantID, s.Category, next, words, s.InvType)
		if err != nil {
			return nil, err
		}
		f.PerDay = s.PerDay
		all = append(all, f)
	}
	return all, nil
}

func standingOf(merchantID string, c ecpay.Category, t term, words []ecpay.UsedInvoiceWord, invType string) (Standing, error) {
	s := Standing{
		MerchantID: merchantID, Category: c, Year: t.year, Term: t.n, InvType: invType, Begins: t.begins, Ends: t.ends, Ranges: []Range{},
	}
	left, err := ecpay.InvoiceNumbersLeft(words, t.year, t.n, invType)
	if err != nil {
		return s, err
	}
	s.Left, s.Off = left.InUse, left.Off
	for _, w := range words {
		if string(w.InvType) == invType {
			s.Ranges = append(s.Ranges, Range{
				TrackID: string(w.TrackID), Header: string(w.InvoiceHeader), Start: string(w.InvoiceStart), End: string(w.InvoiceEnd),
				Last: string(w.InvoiceNo), UseStatus: int(w.UseStatus),
			})
		}
	}
	return s, nil
}

// usedOf is how many numbers of a range are used.
func usedOf(w ecpay.UsedInvoiceWord) (int, error) {
	left, err := w.Left()
	if err != nil {
		return 0, err
	}
	fresh := w
	fresh.InvoiceNo = ""
	size, err := fresh.Left()
	return size - left, err
}
