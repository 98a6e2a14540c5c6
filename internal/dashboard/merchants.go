package dashboard

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// merchantsData is where merchants stand, those in trouble first.
type merchantsData struct {
	Merchant string // asked for
	// Paused says why nobody's requests are sent, empty when they are, and Until when
	// one of them goes first.
	Paused record.Text
	Egress string
	Until  time.Time
	List   []merchantRow
	Total  int
}

type merchantRow struct{ merchants.Merchant }

// Troubled reports whether something holds the merchant.
func (m merchantRow) Troubled() bool {
	return m.Ban != nil || len(m.Denied) > 0 || m.Held > 0 || m.Broken != ""
}

// Pace is the interval between requests.
func (m merchantRow) Pace() string { return time.Duration(m.Interval).String() }

// PausedFor says why nobody's requests are sent; it is empty when they are.
func PausedFor(why gate.Why) record.Text {
	return map[gate.Why]record.Text{
		gate.ForAddress: {En: "ECPay bans the address", Zh: "綠界封鎖對外位址"},
		gate.ForOutage:  {En: "ECPay answers no merchant", Zh: "綠界對所有特店都沒有回應"},
	}[why]
}

const merchantsListed = 200

func (d *Dashboard) merchantsPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	data := merchantsData{Merchant: strings.TrimSpace(r.URL.Query().Get("merchant"))}
	all, err := d.merchants.List(ctx)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	data.Total = len(all)
	state, err := d.egress.Look(ctx, false)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	data.Paused, data.Egress, data.Until = PausedFor(state.Why), d.cfg.Egress, state.Until
	for _, m := range all {
		if data.Merchant == "" || m.ID == data.Merchant {
			data.List = append(data.List, merchantRow{m})
		}
	}
	slices.SortStableFunc(data.List, func(a, b merchantRow) int {
		switch {
		case a.Troubled() == b.Troubled():
			return strings.Compare(a.ID, b.ID)
		case a.Troubled():
			return -1
		default:
			return 1
		}
	})
	data.List = data.List[:min(len(data.List), merchantsListed)]
	d.show(w, r, http.StatusOK, "merchants", "Merchants", data)
}

// What comes of a merchant that is resumed.
const (
	resumedMerchant ledger.ActResult = "resumed"
	wokenTasks      ledger.ActResult = "woken"
)

func (d *Dashboard) resumeMerchant(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), actLimit)
	defer cancel()
	got, err := d.merchants.Resume(ctx, r.PostFormValue("merchant"), who(r), clip(strings.TrimSpace(r.PostFormValue("note"))))
	switch {
	case errors.Is(err, merchants.ErrNotFound):
		d.problem(w, r, http.StatusNotFound, "Nothing is known of this merchant.")
	case err != nil:
		d.failed(w, r, err)
	default:
		back(w, r, map[ledger.ActResult]int{resumedMerchant: 1, wokenTasks: got.Tasks})
	}
}
