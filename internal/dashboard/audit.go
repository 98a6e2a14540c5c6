package dashboard

import (
	"context"
	"net/http"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

const acts = 200 // entries of the audit on its page

func (d *Dashboard) auditPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	var list []ledger.AuditEntry
	for e, err := range d.ledger.Audit(ctx, deadletter.AuditFilter{Limit: acts}) {
		if err != nil {
			d.failed(w, r, err)
			return
		}
		list = append(list, e)
	}
	d.show(w, r, http.StatusOK, "audit", "Audit", list)
}
