package worker

import "github.com/ecpayq/ecpayq/tasks/record"

// Reason says why a task is held or dead. It is a closed set: metrics, delays and the level of a
// log line depend on it. [Verdict.Text] says it to people.
type Reason uint8

// The reasons. The zero value is none.
const (
	reasonCrashes Reason = iota + 1
	reasonBusy
	reasonNewer
	reasonSealed
	reasonCorrupt
	reasonRejected
	reasonNotFound
	reasonConflict
	reasonIssued
	reasonBarred
	reasonAnothers
	reasonDenied
	reasonOperator
	reasonQueued
	reasonThrottled
	reasonAddress
	reasonOutage
	reasonRedis
	reasonTooOld
	reasonAmbiguous
	reasonUnknown
	reasonFence
	reasonWord
	reasonUndone
	reasonLost
	reasonForgotten
	reasonNoList
	reasonScheduled
	reasonLate
	reasonVoiding
	reasonLateVoid
	reasonVoidDead
	reasonTooLateToVoid
	reasonUnconfirmed
	reasonUpload
	reasonFollows
	reasonUnissued
	reasonNeverIssued

	reasonCount
)

// reasons is what each tells people, and what a task waits for that is held for it. The
// words are stored with the task and shown to operators on dashboards.
var reasons = [reasonCount]struct {
	wait Wait
	text record.Text
}{
	reasonCrashes: {text: record.Text{
		En: "five attempts ended without a trace: this task may kill its worker",
		Zh: "連續五次執行未留下結果，此任務可能使工作程序當掉",
	}},
	reasonBusy:  {WaitSubject, record.Text{En: "another task on the same subject is running", Zh: "同一標的之其他任務執行中"}},
	reasonNewer: {WaitNewerWorker, record.Text{En: "held for a newer worker", Zh: "保留給較新版本的工作程序"}},
	reasonSealed: {WaitPayloadKey, record.Text{
		En: "held for a worker that has the key with which its payload is sealed", Zh: "保留給持有任務內容金鑰的工作程序",
	}},
	reasonCorrupt:  {text: record.Text{En: "what is stored cannot be read", Zh: "儲存的內容無法讀取"}},
	reasonRejected: {text: record.Text{En: "ECPay refuses what is asked for; correct it, then run the task again", Zh: "綠界拒絕此內容，請修正後重新執行"}},
	reasonNotFound: {text: record.Text{En: "ECPay does not know it; check the numbers, then run the task again", Zh: "綠界查無資料，請確認號碼後重新執行"}},
	reasonConflict: {text: record.Text{
		En: "the invoice is in a state that forbids this; look it up at ECPay",
		Zh: "發票目前狀態不允許此操作，請至綠界後台查詢",
	}},
	reasonIssued: {text: record.Text{
		En: "the invoice is issued already: it cannot be cancelled, it needs a void",
		Zh: "發票已開立，無法取消，需改為作廢",
	}},
	reasonBarred: {text: record.Text{
		En: "ECPay did not take it, and shows that the invoice or allowance is confirmed, rejected or voided, which excludes this; " +
			"look it up at ECPay",
		Zh: "綠界未受理，且查到發票或折讓單已確認、退回或作廢，無法再執行此操作，請至綠界後台查詢",
	}},
	reasonAnothers: {text: record.Text{
		En: "the RelateNumber is that of an invoice of another amount: it was given to two orders; enqueue this one under a number of its own",
		Zh: "此 RelateNumber 已用於另一張金額不同的發票：同一編號給了兩筆訂單，請以新的編號重新排入",
	}},
	reasonDenied: {WaitKeys, record.Text{
		En: "wrong keys, or the service is not enabled for this merchant; mend the configuration or ask ECPay",
		Zh: "金鑰錯誤或特店未開通服務，請修正設定或洽綠界",
	}},
	reasonOperator: {WaitOperator, record.Text{
		En: "a person must act at ECPay first, for example add invoice numbers",
		Zh: "須先於綠界處理，例如新增字軌",
	}},
	reasonQueued:    {WaitTurn, record.Text{En: "waits for its turn among the requests of this merchant", Zh: "依特店的呼叫頻率排隊中"}},
	reasonThrottled: {WaitBan, record.Text{En: "ECPay asks for a pause", Zh: "綠界要求暫停呼叫"}},
	reasonAddress: {WaitBan, record.Text{
		En: "ECPay bans the address by which workers leave; nothing is sent until the pause is over",
		Zh: "綠界封鎖 worker 對外的位址，暫停結束前不送出任何呼叫",
	}},
	reasonOutage: {WaitOutage, record.Text{
		En: "ECPay answers nobody at the moment; one request tries it now and then, and the rest waits",
		Zh: "綠界目前對所有特店都沒有回應，由一個呼叫不時試探，其餘等候",
	}},
	reasonRedis:  {WaitRedis, record.Text{En: "redis", Zh: "Redis"}},
	reasonTooOld: {text: record.Text{En: "no success in time", Zh: "超過時限仍未成功"}},
	reasonAmbiguous: {WaitAnswer, record.Text{
		En: "sent, and nobody knows what became of it; look it up at ECPay before it is run again",
		Zh: "已送出但結果不明，重新執行前請先至綠界查詢",
	}},
	reasonUnknown: {text: record.Text{
		En: "ECPay answered with a code that is in no table, or about something else; look it up at ECPay before it is run again",
		Zh: "綠界回覆未知代碼或他項資料，重新執行前請先至綠界查詢",
	}},
	reasonFence: {WaitAnswer, record.Text{En: "unanswered; ECPay does not show it yet, it may still land", Zh: "未收到回覆，綠界尚未顯示，仍可能生效"}},
	reasonWord: {WaitAnswer, record.Text{
		En: "a person says that it did not happen; it may still land, and is sent again when it cannot any more",
		Zh: "已由人確認未生效；但先前送出的仍可能生效，待不可能生效後才會重送",
	}},
	reasonUndone: {text: record.Text{
		En: "a cancel of this Tsr is done: nothing is sent; resolve this task, and if the invoice is wanted after all, stage " +
			"it anew under another Tsr",
		Zh: "此 Tsr 已由取消任務完成取消，故不送出；請將本任務結案，若仍要開立，請以新的 Tsr 重新建立延遲開立",
	}},
	reasonLost: {WaitAnswer, record.Text{
		En: "Redis was restarted or another master took over, so that what was sent before may be forgotten; ECPay does not " +
			"show it yet",
		Zh: "Redis 曾重新啟動或切換主節點，先前送出的紀錄可能遺失；綠界尚未顯示",
	}},
	reasonForgotten: {text: record.Text{
		En: "Redis was restarted or another master took over, so that it may have been sent before that; ECPay would take it for " +
			"another one: look it up at ECPay before it is run again",
		Zh: "Redis 曾重新啟動或切換主節點，先前可能已送出；再送一次綠界會視為另一筆，重新執行前請先至綠界查詢",
	}},
	reasonNoList: {text: record.Text{
		En: "ECPay's list of what is there already cannot be read or is too long, so that an unanswered request could not be found " +
			"out about: nothing is sent; do it at ECPay, then resolve this task",
		Zh: "綠界回覆的既有清單無法判讀或過長，若送出後未收到回覆將無從查證，故不送出；請至綠界後台處理後將本任務結案",
	}},
	reasonScheduled: {WaitAnswer, record.Text{
		En: "unanswered; whether it is scheduled shows on the day of issue",
		Zh: "未收到回覆，是否已排程須至開立日才能確認",
	}},
	reasonVoiding: {WaitSubject, record.Text{
		En: "the invoice is issued already: it is being voided by another task", Zh: "發票已開立，正由另一任務作廢",
	}},
	reasonLateVoid: {WaitSubject, record.Text{
		En: "nothing to cancel, and no invoice yet: if today is the day of issue, ECPay takes no cancel after 10:00 and issues later; " +
			"asked until the day is over, and voided if it is issued",
		Zh: "查無可取消者，也尚無發票：若今天為開立日，綠界自 10:00 起不受理取消，稍後才會開立；今天結束前會持續查詢，若已開立即作廢",
	}},
	reasonVoidDead: {text: record.Text{
		En: "the invoice is issued already, and the task that voids it is dead or was withdrawn: see to that one, then replay this one",
		Zh: "發票已開立，而作廢的任務已終止或遭撤回：請先處理該任務，再重播本任務",
	}},
	reasonTooLateToVoid: {text: record.Text{
		En: "the invoice is issued, and ECPay voids it no more: the 13th of the odd month after its period is over; it needs an allowance",
		Zh: "發票已開立，且已超過作廢期限（次期奇數月 13 日），無法作廢，請改開折讓",
	}},
	reasonLate: {WaitAnswer, record.Text{
		En: "unanswered, and nothing to cancel: if today is the day of issue, ECPay takes no cancel after 10:00 and shows the " +
			"invoice later; asked until the day is over",
		Zh: "未收到回覆，且查無可取消的交易：若今日為開立日，綠界上午 10 點後不受理取消，發票稍後才查得到；持續查詢至今日結束",
	}},
	reasonUnconfirmed: {WaitCounterparty, record.Text{En: "not confirmed yet", Zh: "對方尚未確認"}},
	reasonFollows: {WaitSubject, record.Text{
		En: "the task whose invoice it asks for has not ended", Zh: "所查發票的任務尚未結束",
	}},
	reasonUnissued: {WaitIssue, record.Text{En: "ECPay does not show an invoice yet", Zh: "綠界尚未顯示發票"}},
	reasonNeverIssued: {text: record.Text{
		En: "ECPay took it, and shows no invoice long after its day: look it up at ECPay, where it may have been cancelled or have failed " +
			"(for example without numbers)",
		Zh: "綠界已受理，但逾開立日多時仍查無發票：請至綠界後台查詢，可能已遭取消或開立失敗（例如字軌用罄）",
	}},
	reasonUpload: {text: record.Text{En: "the upload of the allowance failed (Upload_Status 2)", Zh: "折讓單上傳失敗（Upload_Status 2）"}},
}

// Reasons returns all of them.
func Reasons() []Reason {
	var all []Reason
	for r := Reason(1); r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// Text is the reason for people.
func (r Reason) Text() record.Text {
	if r >= reasonCount {
		return record.Text{}
	}
	return reasons[r].text
}

// String is the text in English.
func (r Reason) String() string { return r.Text().En }

// wait is what a task waits for that is held for the reason.
func (r Reason) wait() Wait {
	if r >= reasonCount || reasons[r].wait == "" {
		return WaitOther
	}
	return reasons[r].wait
}
