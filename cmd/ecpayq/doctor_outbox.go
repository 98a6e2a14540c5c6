package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// checkOutbox does what a claim does, on no row.
func (p *program) checkOutbox(ctx context.Context) []finding {
	const check = "outbox"
	database, err := p.cfg.Outbox()
	if err != nil {
		return []finding{failed(check, err)}
	}
	if database == nil {
		return nil
	}
	var report []finding
	for _, text := range database.Warnings {
		report = append(report, finding{Check: check, Status: statusWarning, Detail: text})
	}
	db, err := database.Open()
	if err != nil {
		return append(report, finding{Check: check, Status: statusFailed, Detail: err.Error()})
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	h, err := relay.NewAdmin(database, db).Check(ctx)
	if err != nil {
		return append(report, found(check, statusFailed, err.Error(), database.Hint(err)))
	}
	report = append(report, aboutTable(check, h)...)
	if h.Encoding != "" && h.Encoding != "UTF8" {
		report = append(report, found(check, statusWarning, "the database's encoding is "+h.Encoding+": errors of rows cannot be kept in Chinese",
			record.Text{
				En: "nothing is lost by it; write intents as ASCII, which JSON can: \\uXXXX",
				Zh: "不影響送入；intent 請以 ASCII 寫入（JSON 的 \\uXXXX）",
			}))
	}
	if h.Hidden {
		report = append(report, found(check, statusWarning, relay.ErrHidden.Error(), database.Hint(relay.ErrHidden)))
	}
	if p.cfg.OutboxListen && !database.Notifies() {
		report = append(report, found(check, statusWarning, "ECPAYQ_OUTBOX_LISTEN has no effect: only PostgreSQL notifies", record.Text{
			En: "unset it; the table is looked at every so often", Zh: "請移除此設定；資料表會定時查看",
		}))
	} else if p.cfg.OutboxListen && !h.Wakes {
		report = append(report, found(check, statusWarning, "ECPAYQ_OUTBOX_LISTEN is set, and no trigger of the table notifies", record.Text{
			En: "ecpayq outbox schema --database postgres --notify prints the trigger; without it the table is looked at every so often",
			Zh: "ecpayq outbox schema --database postgres --notify 會印出觸發程序；沒有它則僅定時查看",
		}))
	}
	return append(report, outboxFinding(check, h))
}

func outboxFinding(check string, h relay.Health) finding {
	server, _, _ := strings.Cut(h.Server, " (")
	switch {
	case h.Wrong > 0:
		return found(check, statusWarning, fmt.Sprintf("%d rows are wrong", h.Wrong), record.Text{
			En: "ecpayq outbox list says why", Zh: "請執行 ecpayq outbox list 查看原因",
		})
	case h.Stuck():
		return found(check, statusWarning, fmt.Sprintf("%d rows wait, the first for %.0f s", h.Waiting, h.Oldest), record.Text{
			En: "check that a worker or ecpayq outbox relay runs with this ECPAYQ_OUTBOX_URL, and what its log says",
			Zh: "請確認 worker 或 ecpayq outbox relay 以此 ECPAYQ_OUTBOX_URL 執行中，並查看其日誌",
		})
	}
	return finding{Check: check, Status: statusOK, Detail: fmt.Sprintf("%s, %s; %d rows wait", server, h.Table, h.Waiting)}
}

// aboutTable tells what of the table itself may break what is promised.
func aboutTable(check string, h relay.Health) (report []finding) {
	if !h.Durable {
		report = append(report, found(check, statusFailed, h.Table+" is not durable: UNLOGGED, or not of InnoDB", record.Text{
			En: "what is committed may be lost in a crash, or what is rolled back stays: make the table as ecpayq outbox schema prints it",
			Zh: "提交的列可能在當機時遺失，或回復的列仍會留下：請依 ecpayq outbox schema 印出的 SQL 建立資料表",
		}))
	}
	if h.Types != "" {
		report = append(report, found(check, statusFailed, h.Table+": "+h.Types, record.Text{
			En: "make the columns as ecpayq outbox schema prints them: intent is text, process_at timestamptz",
			Zh: "請依 ecpayq outbox schema 印出的 SQL 建立欄位：intent 為 text，process_at 為 timestamptz",
		}))
	}
	if h.Others > 0 {
		detail := fmt.Sprintf("%s is relayed, and %d other schemas have a table of that name", h.Table, h.Others)
		report = append(report, found(check, statusWarning, detail, record.Text{
			En: "check that the producers' search_path leads to the same one; rows in another are never relayed",
			Zh: "請確認商店帳號的 search_path 指向同一張資料表；寫入其他資料表的列永遠不會送入",
		}))
	}
	return report
}
