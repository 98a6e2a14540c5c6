package tasks

// Field describes one field of a payload to those who fill it in or look at it.
type Field struct {
	// Name is ECPay's.
	Name string
	// Max is how many characters a text may have at most, or the greatest number; 0
	// where there is no such limit.
	Max int
	// En and ZhTW say what it is, and its form and limit, in English and in the Chinese
	// of Taiwan.
	En, ZhTW string
	// Shown means that the value is a number of an invoice or an order, a date or a code,
	// and may be shown to whoever looks at a task. Anything else may hold what a person
	// wrote or who a buyer is, and is masked.
	Shown bool
}

// FieldShown reports whether the value of a field of this name may be shown.
func FieldShown(name string) bool { return index().shown[name] }

// Fields that several types have.
var (
	merchantIDField = Field{
		Name: "MerchantID", Max: 10, Shown: true,
		En: "MerchantID, at most 10 letters and digits", ZhTW: "特店編號，至多 10 個英數字",
	}
	tsrField = Field{
		Name: "Tsr", Max: 30, Shown: true,
		En:   "transaction number given to DelayIssue, at most 30 characters",
		ZhTW: "呼叫 DelayIssue 時的交易單號，至多 30 個字元",
	}
	relateNumberField = Field{
		Name: "RelateNumber", Max: 50, Shown: true,
		En:   "the shop's own number given to DelayIssue, by which ECPay can be asked later, at most 50 characters",
		ZhTW: "呼叫 DelayIssue 時的特店自訂編號，供日後向綠界查詢，至多 50 個字元",
	}
	invoiceNumberField = Field{
		Name: "InvoiceNumber", Max: 10, Shown: true,
		En: "invoice number of 10 characters, like VG11000002", ZhTW: "發票號碼，共 10 個字元，例如 VG11000002",
	}
	invoiceNoField = Field{
		Name: "InvoiceNo", Max: 10, Shown: true,
		En: "invoice number, two letters and eight digits, 10 characters", ZhTW: "發票號碼，兩個大寫英文字母加八位數字，共 10 碼",
	}
	allowanceNoField = Field{
		Name: "AllowanceNo", Max: 16, Shown: true,
		En: "allowance number, at most 16 characters", ZhTW: "折讓單號，至多 16 個字元",
	}
	invoiceDateField = Field{
		Name: "InvoiceDate", Shown: true,
		En: "day of issue in Asia/Taipei, YYYY-MM-DD", ZhTW: "發票開立日期（台北時區），格式為 YYYY-MM-DD",
	}
	voidReasonField = Field{
		Name: "Reason", Max: 20,
		En: "reason of the void, at most 20 characters", ZhTW: "作廢原因，至多 20 個字元",
	}
	rejectReasonField = Field{
		Name: "Reason", Max: 20,
		En: "reason of the rejection, at most 20 characters", ZhTW: "退回原因，至多 20 個字元",
	}
	referenceField = Field{
		Name: "Reference", Max: 50, Shown: true,
		En: "the shop's own number of this, such as that of the refund, at most 50 letters, digits, - and _: the same twice is one task, " +
			"another one is another task; it is not sent",
		ZhTW: "商店自訂的識別碼，例如退款單號，至多 50 個英數字、- 或 _：相同者視為同一任務，不同者為另一任務；不會送給綠界",
	}
	remarkField = Field{
		Name: "Remark", Max: 200,
		En: "remark, at most 200 characters", ZhTW: "備註，至多 200 個字元",
	}
	clearanceMarkField = Field{
		Name: "ClearanceMark", En: "required for TaxType 2: 1 not through the customs, 2 through them",
		ZhTW: "通關方式，TaxType 為 2 時必填：1 非經海關，2 經海關",
	}
	invTypeField = Field{
		Name: "InvType", En: "07 general, 08 special",
		ZhTW: "字軌類別：07 一般稅額，08 特種稅額",
	}
	specialTaxTypeField = Field{
		Name: "SpecialTaxType", En: "1 to 8, for TaxType 4",
		ZhTW: "特種稅額類別，1 至 8，TaxType 為 4 時使用",
	}
	invoiceRemarkField = Field{
		Name: "InvoiceRemark", Max: 200, En: "remark, at most 200 characters",
		ZhTW: "發票備註，至多 200 個字元",
	}
)
