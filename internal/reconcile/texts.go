package reconcile

import (
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// What findings say, and what to do.
var (
	textMissing = record.Text{
		En: "its task is done, and ECPay does not list it for this day: look it up in ECPay's back office, by RelateNumber or number",
		Zh: "任務已完成，但綠界當日清單中沒有此發票：請至綠界廠商後台以自訂編號或發票號碼查詢",
	}
	textUnexpected = record.Text{
		En: "no task in the record issued it: it was issued by other means, or the record lost it; if nobody meant it, void it",
		Zh: "紀錄中沒有開立此發票的任務：可能以其他方式開立，或紀錄已遺失；若非有意開立，請作廢",
	}
	textVoidedElsewhere = record.Text{
		En: "no void of ours is known: it was voided by other means; see that the order knows",
		Zh: "查無本系統的作廢任務：係以其他方式作廢；請確認訂單狀態一致",
	}
	textNotVoided = record.Text{
		En: "the task of its void is done, and ECPay shows it as valid: look it up in ECPay's back office, and void it there if so",
		Zh: "作廢任務已完成，但綠界顯示此發票有效：請至綠界廠商後台查詢，若屬實請於後台作廢",
	}
)

func textGone(from time.Time) record.Text {
	at := taipei(from)
	return record.Text{
		En: "the record keeps nothing that ended before " + at + ": missing invoices and voids without effect of that time are not found",
		Zh: "紀錄已不保存 " + at + " 以前的結果：該時段遺漏的發票與未生效的作廢無法查出",
	}
}

func textBefore(from time.Time) record.Text {
	at := taipei(from)
	return record.Text{
		En: "it was issued before " + at + ", where the record begins, and no task with its RelateNumber is known: look it up in the shop",
		Zh: "開立於紀錄起點 " + at + " 之前，且查無使用其自訂編號的任務：請於商店系統查詢",
	}
}

func textNameless(o *Order) record.Text {
	return record.Text{
		En: "the trigger of Tsr " + o.Tsr + " issued an invoice, and the record does not have its RelateNumber any more: look it up by that",
		Zh: "交易單號 " + o.Tsr + " 的觸發任務已開立發票，但紀錄已無其自訂編號：請以自訂編號查詢",
	}
}

func textPerhaps(n int) record.Text {
	return record.Text{
		En: fmt.Sprintf("it may be that of one of %d tasks which issue an invoice, and whose RelateNumber the record does not have any more", n),
		Zh: fmt.Sprintf("可能由 %d 個紀錄已無自訂編號的開立任務之一所開立", n),
	}
}

func textDelayed(from time.Time) record.Text {
	at := taipei(from)
	return record.Text{
		En: "a delayed invoice that a task staged or triggered before " + at + ", where the record begins, looks the same",
		Zh: "紀錄起點 " + at + " 之前預約或觸發的延遲開立發票也會如此顯示",
	}
}

func textTwin(number string) record.Text {
	return record.Text{
		En: "a second invoice of its RelateNumber, whose first is " + number + ": void one of them",
		Zh: "與發票 " + number + " 自訂編號相同，重複開立：請作廢其中一張",
	}
}

func textDead(id string) record.Text {
	return record.Text{
		En: "its task " + id + " is dead, while ECPay has the invoice: resolve it, or replay it, which asks first",
		Zh: "任務 " + id + " 已終止，但綠界已有此發票：請結案，或重送（會先查詢）",
	}
}

func textVoidDead(id string) record.Text {
	return record.Text{
		En: "the void " + id + " is dead, while ECPay shows the invoice as void: resolve it",
		Zh: "作廢任務 " + id + " 已終止，但綠界已作廢此發票：請結案",
	}
}

func textUploadOverdue(i Invoice, due time.Time) record.Text {
	at, state := taipei(due), uploadState(i)
	return record.Text{
		En: "ECPay has not uploaded it to the Ministry of Finance (" + state + "), where it was due until " + at + ": ask ECPay",
		Zh: "綠界尚未上傳財政部（" + state + "），期限為 " + at + "：請洽綠界",
	}
}

func uploadState(i Invoice) string {
	return fmt.Sprintf("IIS_Upload_Status %q, IIS_Turnkey_Status %q", i.Upload, i.Turnkey)
}

func textUploadFailed(i Invoice) record.Text {
	state := uploadState(i)
	return record.Text{
		En: "ECPay could not upload it to the Ministry of Finance (" + state + "): ask ECPay why, and have it uploaded",
		Zh: "綠界未能上傳財政部（" + state + "）：請洽綠界查明原因並重新上傳",
	}
}
