package dashboard

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// outboxNotes is what a person should know of the outbox, as relays told it.
func (d *Dashboard) outboxNotes(ctx context.Context) (notes []record.Text) {
	now := time.Now()
	all, err := relay.ReadStatus(ctx, d.rdb, now)
	if err != nil {
		return nil // the page itself says so
	}
	note := func(s relay.Status, en, zh string, args ...any) {
		notes = append(notes, record.Text{
			En: "outbox of " + s.Database + ": " + fmt.Sprintf(en, args...), Zh: "outbox（" + s.Database + "）：" + fmt.Sprintf(zh, args...),
		})
	}
	for _, s := range all {
		if s.Wrong > 0 {
			note(s, "%d rows are wrong and wait for a person; ecpayq outbox list says why",
				"%d 筆有誤，待人處理；請執行 ecpayq outbox list 查看原因", s.Wrong)
		}
		at := s.At.In(ecpay.Taipei).Format(time.DateTime)
		switch waits := strconv.FormatFloat(s.Oldest, 'f', 0, 64); {
		case s.Silent(now):
			note(s, "no relay has told anything since %s; is one running?", "自 %s 起沒有 relay 回報，請確認是否仍在執行", at)
		case s.Stuck():
			note(s, "%d rows wait, the first for %s s", "%d 筆等待送入，最早的已等 %s 秒", s.Waiting, waits)
		}
	}
	return notes
}
