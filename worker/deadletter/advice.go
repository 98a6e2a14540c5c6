package deadletter

import (
	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Advice says what to do about a letter, in English and in Traditional Chinese.
func Advice(l Letter) record.Text {
	switch l.Kind {
	case ecpay.Rejected:
		return record.Text{
			En: "correct it and send it again (on its page, or replay ID --set Field=value), or resolve it",
			Zh: "修正後重送（在其頁面上，或 replay ID --set 欄位=值），或結案",
		}
	case ecpay.NotFound:
		return record.Text{En: "check the numbers at ECPay, then replay or resolve", Zh: "至綠界確認號碼後重送或結案"}
	case ecpay.Conflict:
		return record.Text{En: "look at the invoice at ECPay; resolve, or ask for what its state allows", Zh: "至綠界查看發票狀態，結案或改用其他作業"}
	case ecpay.Ambiguous:
		return record.Text{
			En: "look at ECPay whether it happened: if so resolve, if not replay it saying so (on its page, or replay --not-executed)",
			Zh: "至綠界確認是否已生效：已生效則結案，未生效則註明後重送（在其頁面上，或 replay --not-executed）",
		}
	case ecpay.Denied:
		return record.Text{En: "mend the keys or ask ECPay to enable the service, then replay", Zh: "修正金鑰或請綠界開通服務後重送"}
	case ecpay.Operator:
		return record.Text{En: "act at ECPay first, for example add invoice numbers, then replay", Zh: "先於綠界處理（如新增字軌）後重送"}
	case ecpay.Throttled, ecpay.Unavailable, ecpay.Stale:
		return record.Text{En: "replay once ECPay answers again", Zh: "綠界恢復後重送"}
	case ecpay.Stopped:
		return record.Text{
			En: "a person stopped it, so that it is sent only when it is replayed by its id; resolve it if it is not wanted",
			Zh: "由人停止，須指定任務編號重送才會送出；不需要則結案",
		}
	case ecpay.OK, ecpay.AlreadyDone:
		return record.Text{En: "nothing to do at ECPay; resolve it", Zh: "綠界無須處理，請結案"}
	case ecpay.Unknown:
	}
	return record.Text{En: "look it up at ECPay, then replay or resolve", Zh: "至綠界查詢後重送或結案"}
}
