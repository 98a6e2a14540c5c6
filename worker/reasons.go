package worker

// Reasons are stored with the task and shown to operators on dashboards, so
// each is in English and in Traditional Chinese.
const (
	reasonCrashes     = "five attempts ended without a trace: this task may kill its worker / 連續五次執行未留下結果，此任務可能使工作程序當掉"
	reasonBusy        = "another task on the same subject is running / 同一標的之其他任務執行中"
	reasonNewer       = "held for a newer worker / 保留給較新版本的工作程序"
	reasonRejected    = "ECPay refuses what is asked for; correct it, then run the task again / 綠界拒絕此內容，請修正後重新執行"
	reasonNotFound    = "ECPay does not know it; check the numbers, then run the task again / 綠界查無資料，請確認號碼後重新執行"
	reasonConflict    = "the invoice is in a state that forbids this; look it up at ECPay / 發票目前狀態不允許此操作，請至綠界後台查詢"
	reasonIssued      = "the invoice is issued already: it cannot be cancelled, it needs a void / 發票已開立，無法取消，需改為作廢"
	reasonDenied      = "wrong keys, or the service is not enabled for this merchant; mend the configuration or ask ECPay / 金鑰錯誤或特店未開通服務，請修正設定或洽綠界"
	reasonOperator    = "a person must act at ECPay first, for example add invoice numbers / 須先於綠界處理，例如新增字軌"
	reasonQueued      = "waits for its turn among the requests of this merchant / 依特店的呼叫頻率排隊中"
	reasonThrottled   = "ECPay asks for a pause / 綠界要求暫停呼叫"
	reasonAddress     = "ECPay bans the address by which workers leave; nothing is sent until the pause is over / 綠界封鎖 worker 對外的位址，暫停結束前不送出任何呼叫"
	reasonOutage      = "ECPay answers nobody at the moment; one request tries it now and then, and the rest waits / 綠界目前對所有特店都沒有回應，由一個呼叫不時試探，其餘等候"
	reasonAmbiguous   = "sent, and nobody knows what became of it; look it up at ECPay before it is run again / 已送出但結果不明，重新執行前請先至綠界查詢"
	reasonUnknown     = "ECPay answered with a code that is in no table; look it up at ECPay before it is run again / 綠界回覆未知代碼，重新執行前請先至綠界查詢"
	reasonFence       = "unanswered; ECPay does not show it yet, it may still land / 未收到回覆，綠界尚未顯示，仍可能生效"
	reasonLost        = "Redis was restarted or another master took over, so that what was sent before may be forgotten; ECPay does not show it yet / Redis 曾重新啟動或切換主節點，先前送出的紀錄可能遺失；綠界尚未顯示"
	reasonScheduled   = "unanswered; whether it is scheduled shows on the day of issue / 未收到回覆，是否已排程須至開立日才能確認"
	reasonUnconfirmed = "not confirmed yet / 對方尚未確認"
	reasonUpload      = "the upload of the allowance failed (Upload_Status 2) / 折讓單上傳失敗（Upload_Status 2）"
)
