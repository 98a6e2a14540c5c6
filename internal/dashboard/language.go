package dashboard

import (
	"net/http"

	"golang.org/x/text/language"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// lang is a language of the page.
type lang string

const (
	english lang = "en"
	chinese lang = "zh-TW"
)

const langCookie = "ecpayq_lang"

var matcher = language.NewMatcher([]language.Tag{language.English, language.TraditionalChinese})

// langOf is the one that the user switched to, else what the browser prefers.
func langOf(r *http.Request) lang {
	if l := lang(r.URL.Query().Get("lang")); l == english || l == chinese {
		return l
	}
	if c, err := r.Cookie(langCookie); err == nil && (c.Value == string(english) || c.Value == string(chinese)) {
		return lang(c.Value)
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 {
		return english
	}
	if _, i, _ := matcher.Match(tags...); i == 1 {
		return chinese
	}
	// Whoever reads simplified characters reads these more easily than English.
	if base, _ := tags[0].Base(); base.String() == "zh" {
		return chinese
	}
	return english
}

// remember keeps the language that was switched to.
func (l lang) remember(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("lang") == string(l) {
		http.SetCookie(w, &http.Cookie{
			Name: langCookie, Value: string(l), Path: "/", MaxAge: 365 * 24 * 3600,
			HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode,
		})
	}
}

// of takes a text in the language.
func (l lang) of(t record.Text) string {
	if l == chinese && t.Zh != "" {
		return t.Zh
	}
	return t.En
}

// say translates a text of the page.
func (l lang) say(text string) string {
	if l == chinese {
		if zh, ok := inChinese[text]; ok {
			return zh
		}
	}
	return text
}

// sayProblem says what is wrong with a field.
func (l lang) sayProblem(f ecpay.FieldError) string {
	if l == chinese {
		return f.ProblemZhTW()
	}
	return f.Problem
}

// inChinese has every text of the page; a test holds it to the templates and to what
// the program says.
var inChinese = map[string]string{
	"Log in": "登入", "Log out": "登出", "User": "使用者", "Password": "密碼",
	"Wrong user or password.":                                                       "使用者或密碼錯誤。",
	"Too many failed logins. Wait a minute.":                                        "登入失敗次數過多，請稍候一分鐘。",
	"Too many failed logins from your address. Wait ten minutes.":                   "此位址登入失敗次數過多，請稍候十分鐘。",
	"Too many logins at once. Try again in a few seconds.":                          "同時登入的人過多，請稍候幾秒再試。",
	"You may look, but not change anything here.":                                   "您的權限僅供檢視，不可變更。",
	"Your login has ended and nothing was changed: log in first, then do it again.": "登入已失效，未做任何變更；請先登入再操作一次。",
	"viewer": "檢視者", "operator": "操作者", "no login": "免登入",

	"Dead letters": "終止的任務", "Dead letter": "終止的任務", "Waiting": "等待中", "Audit": "操作紀錄", "Queues": "佇列", "asynq's pages": "asynq 頁面",
	"Nothing is dead.": "沒有終止的任務。", "Nothing matches.": "沒有符合條件的項目。",
	"Type": "類型", "Kind": "種類", "Merchant": "特店", "Died": "終止時間", "Task": "任務", "Why": "原因", "What to do": "處理方式",
	"State": "狀態", "Attempts": "嘗試次數", "Code": "代碼", "any": "不限", "Show": "顯示", "Older than": "終止超過",
	"1 hour": "1 小時", "1 day": "1 天", "7 days": "7 天", "30 days": "30 天",
	"shown of": "筆，共", "dead letters in all.": "筆終止的任務。",
	"select": "選取", "Note": "備註", "Replay selected": "重送所選", "Resolve selected": "結案所選",
	"a note is needed to resolve": "結案須填備註",
	"Replay":                      "重送", "Resolve": "結案", "Cancel": "取消",
	"Replay runs the task again with a fresh budget.":                                              "重送會以全新的重試預算重新執行此任務。",
	"Resolve is your word that nothing more has to happen: the effect is there, or is not wanted.": "結案表示您確認不需再處理：作業已生效，或已不需要。",
	"It did not happen at ECPay: send again once it cannot land any more.":                         "已確認綠界未生效：待先前送出的不可能再生效後重送。",
	"is sent again":   "重送時間",
	"Correct a field": "修正欄位", "New value": "新值", "leave as it is": "不修正",
	"Message of ECPay": "綠界訊息", "Meaning": "意義", "HTTP status": "HTTP 狀態", "archived by": "封存者", "by hand:": "手動封存：", "First attempt": "首次嘗試",
	"Last attempt": "最近嘗試", "unanswered since": "自此時起未獲回覆", "asynq says": "asynq 訊息", "Payload": "內容", "not yet run correction": "尚未執行的修正",
	"Free text and what may be a buyer's data is not shown.": "自由文字及可能含買方資料的欄位不予顯示。",
	"In asynq's pages": "在 asynq 頁面查看", "Back": "返回",
	"This task is not in the ledger.": "此任務不在帳冊中。", "It is now": "目前狀態",
	"What was done to it": "操作歷程", "Nobody did anything to it.": "尚無操作紀錄。",
	"When": "時間", "Who": "操作者", "What": "操作", "Fields": "欄位",
	"Nothing was done yet.": "尚無操作紀錄。", "The newest": "最近", "entries; ecpayq audit lists all.": "筆；完整紀錄請用 ecpayq audit。",
	"Until": "等待至", "Nothing waits.": "沒有等待中的任務。", "For later": "預約執行", "Held or to be retried": "暫停或等待重試",
	"asynq calls these retry. A hold spends no budget.": "asynq 稱之為 retry；暫停不消耗重試預算。",
	"Merchant or task": "特店或任務編號", "Show up to 1,000": "顯示至多 1,000 筆", ".": " 筆。",
	"Pending ones only wait for their turn in the merchant's line; scheduled ones for a time that " +
		"was asked for.": "「待執行」只是在特店的隊伍中排隊，「預約」則是等待指定的時間。",
	"The search took too long and was ended: there may be more. Look for the id of the task, " +
		"which is fast.": "搜尋時間過長而提前結束，可能還有其他項目；請改以任務編號搜尋，速度較快。",
	"Of each queue the first are shown:":                                  "每個佇列只顯示最先的筆數：",
	"Look for a merchant, a task or a state; ecpayq task list lists all.": "其餘請以特店、任務編號或狀態篩選；完整清單請用 ecpayq task list。",
	"Filter for the others; ecpayq dead list lists all.":                  "其餘請加上篩選條件；完整清單請用 ecpayq dead list。",
	"Why it is not wanted":                                                "為何不需要",
	"Times are those of Asia/Taipei.":                                     "時間為台北時區（Asia/Taipei）。",
	"Redis is nearly full, and refuses tasks once it is:":                 "Redis 即將用盡記憶體，用盡後會拒絕任務：",
	"Memory of Redis:":                                                    "Redis 記憶體：", "no maxmemory": "未設定 maxmemory",
	"cannot be summed up by asynq":                      "asynq 無法統計",
	"Redis is not available; try again.":                "Redis 目前無法使用，請稍後再試。",
	"This could not be done":                            "無法完成",
	"Not all of it could be done":                       "只完成了一部分",
	"Not tried, or it is not known what became of them": "未嘗試或結果不明的任務數",
	"It took too long and was ended; what was done until then is done. Try again to go on.":    "執行時間過長而中止；已完成的不受影響，請再試一次以繼續。",
	"This went wrong; the log of the dashboard says why.":                                      "發生錯誤，原因請見儀表板的日誌。",
	"This task was begun before, or may have been: let it run, or resolve it once it is dead.": "此任務曾經開始執行，或可能曾經開始：請讓它執行，或待其終止後結案。",
	"The correction would make another task of it: enqueue that one instead.":                  "這項修正會使它成為另一個任務，請改以新任務送入佇列。",
	"Neither the ledger nor asynq has what it was: enqueue it again, or resolve it.":           "帳冊與 asynq 都沒有此任務的內容，請重新送入佇列，或結案。",
	"ECPay would refuse this:":        "綠界不會接受：",
	"This correction cannot be made:": "無法這樣修正：",
	"replayed":                        "已重送", "busy": "執行中，未變更",
	"done": "已完成，未變更", "not_found": "查無此任務", "resolved": "已結案", "cancelled": "已取消",
	"Choose at least one task.":                               "請至少選取一項任務。",
	"The form names a field twice, and nothing was changed.":  "表單中有欄位重複，未做任何變更。",
	"A note is required: say why nothing more has to happen.": "須填備註：說明為何不需再處理。",
	"pending": "待執行", "scheduled": "預約", "active": "執行中", "retry": "等待重試",
	"held": "暫停", "completed": "完成", "dead": "終止", "missing": "遺失", "archived": "已封存",
	"The search took too long and was ended: there may be more. Choose a merchant or an age, " +
		"which are fast.": "搜尋時間過長而提前結束，可能還有其他項目；請改以特店或終止時間篩選，速度較快。",
	"cannot be listed": "無法列出",
	"Merchants":        "特店", "Pace": "呼叫間隔", "Last request": "最近呼叫",
	"In flight": "進行中", "In line": "排隊中", "Held": "暫停", "Trouble": "狀況", "Resume": "恢復",
	"banned": "綠界要求暫停", "denied": "遭拒", "until": "至", "since": "自", "no keys": "沒有金鑰",
	"key": "金鑰", "tried at this moment": "正在重試", "tried again at": "下次重試",
	"merchants.": "個特店。", "resumed": "已恢復", "woken": "已喚醒任務", "Nothing is known of this merchant.": "查無此特店的紀錄。",
	"Resume lifts a ban and the refusal of keys, and wakes the held tasks along the pace.": "「恢復」會解除暫停與金鑰遭拒的狀態，並依呼叫間隔喚醒暫停中的任務。",
	"Nothing was sent for a merchant within two days, and nothing is held.":                "兩天內沒有為任何特店呼叫綠界，也沒有暫停中的任務。",
	":": "；", "nothing is sent until": "在此之前不送出任何呼叫：", "by this address; then one request goes first.": "（此對外位址）；之後先送出一筆呼叫。",
	"Invoice numbers": "字軌號碼", "ECPay has no B2C enabled for it: there is nothing to compare.": "綠界未開通其 B2C 服務，無可比對。",
	"Reconcile": "對帳", "invoices": "發票", "findings": "發現", "days": "天數", "Finding": "發現", "Invoice": "發票",
	"Void until": "作廢期限", "Upload due": "上傳期限", "All agrees.": "完全一致。", "It could not be compared:": "無法比對：",
	"more; ecpayq reconcile lists all.":                           "項未列出；ecpayq reconcile 可列出全部。",
	"No schedule has compared anything yet.":                      "尚無排程比對過。",
	"Not all merchants are shown; ecpayq reconcile compares all.": "僅顯示部分特店；ecpayq reconcile 可比對全部。",
	"What schedules found when they compared the B2C invoices that ECPay lists with our record. " +
		"ecpayq reconcile does it now.": "排程將綠界的 B2C 發票" +
		"清單與我們的紀錄比對後的發現。執行 ecpayq reconcile 可立即比對。",
	"This schedule compares invoices and replays nothing: ecpayq reconcile does it now.": "此排程用於比對發票，不重送任務；請執行 ecpayq reconcile 立即比對。",
	"Schedules": "排程", "Name": "名稱", "Times": "時間", "Which": "對象", "Next run": "下次執行",
	"Last run": "上次執行", "Run now": "立即執行", "not yet": "尚未執行", "due since": "應執行而未執行，自", "runs now": "執行中",
	"at most": "至多", "skipped": "略過", "failed": "失敗", "nothing": "無事可做",
	"its dead letters cannot be listed, since Redis has something else in their place; the log of the " +
		"dashboard says what.": "無法列出終止的任務：Redis 中存放它們的位置被其他資料佔用，詳見儀表板的日誌。",
	"cannot be read:":                                               "無法讀取：",
	"There is nothing to do.":                                       "沒有可處理的任務。",
	"all but Rejected, Ambiguous and Stopped":                       "除 Rejected、Ambiguous 與 Stopped 以外",
	"What a person stopped is sent only when it is replayed alone.": "由人停止的任務，只有單獨重送時才會送出。",
	"No schedule is configured.":                                    "沒有設定排程。", "There is no such schedule.": "沒有這個排程。",
	"Workers replay dead tasks at these times. What a person must decide is left alone unless its kind is named, " +
		"and what a person stopped always.": "worker 於這些時間重送終止的任務；須由人決定的種類，除非指名否則略過；由人停止的一律略過。",
}
