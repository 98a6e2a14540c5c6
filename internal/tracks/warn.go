package tracks

import (
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// warn sets DaysLeft, and a warning where the numbers end within so many days and before their term does, or where a term that
// begins within so many days has none.
func (s *Standing) warn(now time.Time, days int) {
	if left, ends := ecpay.DaysLeft(s.Left, s.PerDay); ends {
		s.DaysLeft = &left
	}
	if s.DaysLeft == nil {
		return
	}
	begun := !now.Before(s.Begins)
	last := now
	if !begun {
		last = s.Begins
	}
	end := last.AddDate(0, 0, *s.DaysLeft)
	switch {
	case begun && end.After(s.Ends), *s.DaysLeft >= days:
		return
	case !begun && s.Left == 0:
		s.say(textNext(s.Begins).And(s.remedy()))
	default:
		s.say(s.low().And(s.remedy()))
	}
}

func (s *Standing) say(t record.Text) { s.Warning, s.WarningZh = t.En, t.Zh }

func textNext(begins time.Time) record.Text {
	day := begins.Format(time.DateOnly)
	return record.Text{
		En: "no number is in use for the term that begins on " + day,
		Zh: day + " 開始的期別沒有使用中的號碼",
	}
}

// low says that the numbers end soon, or have ended.
func (s *Standing) low() record.Text {
	switch {
	case len(s.Ranges) == 0:
		return record.Text{En: "ECPay lists no range of numbers for this term", Zh: "綠界沒有本期的字軌"}
	case s.Left == 0:
		return record.Text{En: "no number is left in the ranges that are in use", Zh: "使用中的字軌已無剩餘號碼"}
	}
	return record.Text{
		En: fmt.Sprintf("%d numbers are left, for %d day(s) at %d a day", s.Left, *s.DaysLeft, s.PerDay),
		Zh: fmt.Sprintf("剩餘 %d 個號碼，以每日 %d 張計約可使用 %d 天", s.Left, s.PerDay, *s.DaysLeft),
	}
}

// remedy is what to do for more numbers.
func (s *Standing) remedy() record.Text {
	if s.Off > 0 {
		return record.Text{
			En: fmt.Sprintf("%d more are in ranges that are new or paused: turn them on (UpdateInvoiceWordStatus, or the back office)", s.Off),
			Zh: fmt.Sprintf("另有 %d 個號碼在未啟用或暫停的字軌中：請啟用（UpdateInvoiceWordStatus 或廠商後台）", s.Off),
		}
	}
	return record.Text{
		En: "apply for more at the Ministry of Finance, which takes about five working days, and add them at ECPay",
		Zh: "請向財政部申請配號（約需五個工作天），並於綠界新增字軌",
	}
}
