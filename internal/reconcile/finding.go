// Package reconcile compares the invoices that ECPay has of a day with what the record has of it.
//
// The record is the feed of outcomes: it is the one source that lists what ended, with its time and ECPay's answer,
// and that says how far back it reaches. Finish markers and tasks cannot be listed by day; they are
// looked up for what the feed leaves open.
package reconcile

import (
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Kind is what is wrong, or cannot be told.
type Kind string

// The kinds, in the order in which they are listed.
const (
	// Missing: a task of ours issued it, and ECPay's list does not have it.
	Missing Kind = "missing"
	// Unexpected: ECPay has it, and nothing of ours is known to have issued it.
	Unexpected Kind = "unexpected"
	// UploadFailed: ECPay's upload to the Ministry of Finance failed.
	UploadFailed Kind = "upload_failed"
	// UploadOverdue: ECPay has not uploaded it in time.
	UploadOverdue Kind = "upload_overdue"
	// VoidedElsewhere: ECPay shows it as void, and no void of ours is known.
	VoidedElsewhere Kind = "voided_elsewhere"
	// NotVoided: a void of ours is done, and ECPay does not show it as void.
	NotVoided Kind = "not_voided"
	// NotJudged: the record does not have what would tell.
	NotJudged Kind = "not_judged"
)

// Kinds lists them.
func Kinds() []Kind {
	return []Kind{Missing, Unexpected, UploadFailed, UploadOverdue, VoidedElsewhere, NotVoided, NotJudged}
}

// KindText says what a kind is.
func KindText(k Kind) record.Text {
	return map[Kind]record.Text{
		Missing:         {En: "issued by a task, not in ECPay's list", Zh: "任務已開立，綠界清單中沒有"},
		Unexpected:      {En: "in ECPay's list, not issued by a known task", Zh: "綠界清單中有，並非已知任務所開立"},
		UploadFailed:    {En: "upload to the Ministry of Finance failed", Zh: "上傳財政部失敗"},
		UploadOverdue:   {En: "not uploaded to the Ministry of Finance in time", Zh: "逾期未上傳財政部"},
		VoidedElsewhere: {En: "voided, not by a known task", Zh: "已作廢，並非已知任務所作廢"},
		NotVoided:       {En: "voided by a task, not at ECPay", Zh: "任務已作廢，綠界顯示未作廢"},
		NotJudged:       {En: "cannot be told from the record", Zh: "紀錄不足，無法判斷"},
	}[k]
}

// Finding is one thing that does not agree, or that cannot be told.
type Finding struct {
	Kind       Kind   `json:"kind"`
	MerchantID string `json:"merchant_id"`
	// Day is the day that was compared, yyyy-mm-dd in Asia/Taipei.
	Day           string `json:"day"`
	RelateNumber  string `json:"relate_number,omitempty"`
	InvoiceNumber string `json:"invoice_number,omitempty"`
	// InvoiceDate is when it was issued, yyyy-mm-dd hh:mm:ss in Asia/Taipei, or the day alone.
	InvoiceDate string `json:"invoice_date,omitempty"`
	ecpay.Deadlines
	// TaskID is the task that it is about.
	TaskID string `json:"task_id,omitempty"`
	// Detail says what is known of it and what to do, in English and in the Chinese of Taiwan.
	Detail   string `json:"detail"`
	DetailZh string `json:"detail_zh"`
}

// Text is the detail in both languages.
func (f Finding) Text() record.Text { return record.Text{En: f.Detail, Zh: f.DetailZh} }

func (f Finding) saying(t record.Text) Finding {
	f.Detail, f.DetailZh = t.En, t.Zh
	return f
}

// taipei is a time as texts have it.
func taipei(t time.Time) string { return t.In(ecpay.Taipei).Format(time.DateTime) }
