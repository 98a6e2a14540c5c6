package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// checkWebhooks looks at the endpoints of the file, and sends nothing to them. rdb may be nil.
func (p *program) checkWebhooks(ctx context.Context, rdb redis.UniversalClient) []finding {
	list, err := p.cfg.Webhooks()
	if err != nil {
		return []finding{failed("webhooks", err)}
	}
	if rdb == nil {
		return nil
	}
	var report []finding
	admin := webhook.NewAdmin(rdb)
	for _, e := range list {
		report = append(report, webhookFinding(admin.Status(ctx, e)))
	}
	return report
}

func webhookFinding(s webhook.Status, err error) finding {
	const check = "webhooks"
	test := record.Text{
		En: "ecpayq webhook test " + s.Name + " sends one request and shows the answer",
		Zh: "ecpayq webhook test " + s.Name + " 會送出一次測試並顯示回應",
	}
	switch {
	case err != nil:
		return finding{Check: check, Status: statusFailed, Detail: err.Error()}
	case s.State == webhook.StateDisabled:
		return found(check, statusWarning, fmt.Sprintf("%s is disabled since %s: %s; %d deliveries wait", s.Name, taipei(s.DisabledAt),
			s.Reason, s.Pending+s.Waiting), record.Text{
			En: "mend the endpoint, then: ecpayq webhook enable " + s.Name,
			Zh: "修復端點後執行 ecpayq webhook enable " + s.Name,
		})
	case s.State == webhook.StatePaused:
		return found(check, statusWarning, s.Name+" was paused by a person", record.Text{
			En: "ecpayq webhook enable " + s.Name + " lets it go on", Zh: "ecpayq webhook enable " + s.Name + " 可恢復送出",
		})
	case s.State == webhook.StateFailing:
		return found(check, statusWarning,
			fmt.Sprintf("%s: %d tries failed since %s: %s", s.Name, s.Failures, taipei(s.FailingSince), s.LastText), test)
	case s.Dead > 0:
		return found(check, statusWarning, fmt.Sprintf("%s: %d deliveries were given up", s.Name, s.Dead), record.Text{
			En: "ecpayq webhook replay " + s.Name + " --dead sends them again", Zh: "ecpayq webhook replay " + s.Name + " --dead 可重新送出",
		})
	case s.Missed > 0:
		missed := fmt.Sprintf("%s: %d outcomes were no longer kept when they were to be delivered", s.Name, s.Missed)
		return found(check, statusWarning, missed, record.Text{
			En: "look up the tasks that you wait for (ecpayq task show); a longer ECPAYQ_OUTCOME_RETENTION keeps more",
			Zh: "請以 ecpayq task show 查詢仍在等待的任務；延長 ECPAYQ_OUTCOME_RETENTION 可保存更久",
		})
	}
	return finding{Check: check, Status: statusOK, Detail: fmt.Sprintf("%s is enabled; %d deliveries wait", s.Name, s.Pending+s.Waiting)}
}
