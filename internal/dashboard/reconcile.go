package dashboard

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/ecpayq/ecpayq/internal/reconcile"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// compared is a merchant with what the last comparison found.
type compared struct {
	reconcile.Stored
	Found []foundInvoice
	Low   []lowNumbers
}

// foundInvoice is a finding with the words for it.
type foundInvoice struct {
	reconcile.Finding
	What, Why record.Text
}

// lowNumbers are invoice numbers that end soon.
type lowNumbers struct {
	Of  string
	Why record.Text
}

// reconcilePage shows what schedules found last, those with something first.
func (d *Dashboard) reconcilePage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	all, more, err := reconcile.Load(ctx, d.rdb)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	var data struct {
		Merchants []compared
		More      bool
	}
	data.More = more
	slices.SortStableFunc(all, func(a, b reconcile.Stored) int { return cmp.Compare(b.Count(), a.Count()) })
	for _, s := range all {
		m := compared{Stored: s}
		for _, f := range s.Findings {
			m.Found = append(m.Found, foundInvoice{f, reconcile.KindText(f.Kind), f.Text()})
		}
		for _, n := range s.Numbers {
			m.Low = append(m.Low, lowNumbers{n.Of, n.Text()})
		}
		data.Merchants = append(data.Merchants, m)
	}
	d.show(w, r, http.StatusOK, "reconcile", "Reconcile", data)
}
