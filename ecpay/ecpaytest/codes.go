package ecpaytest

// TransCodes that ECPay is known to answer.
const (
	TransOK           = 1   // documented
	TransStale        = 104 // recorded: Timestamp outside the window
	TransDecryptFail  = 110 // recorded, with HTTP 500
	TransEmptyData    = 111 // recorded
	TransNotActivated = 115 // recorded: unknown merchant, or service not enabled
)

// TransCodes made up by this package, because what ECPay answers is unknown.
const (
	TransBadEnvelope = 990 // a member of the envelope is missing or has the wrong JSON type
	TransBadRevision = 991 // RqHeader.Revision is not the one of ECPay's samples
	TransBadPlatform = 992 // PlatformID is not the one the merchant is bound to
)

// RtnCodes that ECPay is known to answer.
const (
	CodeOK              = 1       // documented
	CodeNoData          = 2       // recorded for B2C queries; taken over for B2B ones (our choice)
	CodeScheduled       = 4000003 // documented: TriggerIssue started the delay
	CodeIssued          = 4000004 // documented: TriggerIssue issued at once
	CodeNoSuchTsr       = 4000001 // recorded
	CodeNothingToCancel = 5070305 // recorded
	CodeRelateNumberDup = 5070357 // recorded
	CodeAmountMismatch  = 1200031 // recorded
	CodeNoSuchInvoice   = 6070004 // recorded: B2B number or date is wrong
	CodeBadReason       = 2103005 // recorded: B2B reason, checked before the invoice is looked up
)

// RtnCodes made up by this package, because what ECPay answers is unknown. They are stable, and all lie in 99xxxxx, where
// no code of ECPay's is known.
const (
	CodeFieldMissing       = 9900001 // a required field of Data is missing or empty
	CodeFieldFormat        = 9900002 // a field of Data has the wrong type, length or form
	CodeUnknownField       = 9900003 // Data has a field that the operation's page does not list
	CodeMerchantMismatch   = 9900004 // Data.MerchantID is not the envelope's
	CodeTriggerScheduled   = 9900101 // TriggerIssue while the delay runs, with RefuseRepeats
	CodeTriggerIssued      = 9900102 // TriggerIssue of an issued invoice, with RefuseRepeats
	CodeTsrDup             = 9900103 // DelayIssue with a Tsr that was used before
	CodeVoidRepeated       = 9900201 // B2B Invalid of a voided invoice
	CodeConfirmRepeated    = 9900202 // InvalidConfirm of a confirmed void
	CodeConfirmNotAwaited  = 9900203 // InvalidConfirm of an invoice that is not voided, or by the party that voided it
	CodeConfirmArchiveMode = 9900204 // InvalidConfirm by a merchant in archive mode
	CodeNoSuchAllowance    = 9900301 // GetAllowanceConfirm of an unknown number
)

// messages are the texts that go with the codes. Those of known codes are ECPay's where they are known. Those of made-up
// codes give no hint beyond the number, so that no client can pass by reading them.
var messages = map[int]string{
	CodeOK:              "Success",
	CodeNoData:          "查無資料",
	CodeScheduled:       "延後開立成功",
	CodeIssued:          "開立發票成功",
	CodeNoSuchTsr:       "不存在此交易單號",
	CodeNothingToCancel: "B2C取消延遲(或觸發)發票 查無可更新交易單號",
	CodeRelateNumberDup: "自訂編號重覆，請重新設定",
	CodeAmountMismatch:  "商品合計金額與發票金額不符",
	CodeNoSuchInvoice:   "發票號碼或日期錯誤",
	CodeBadReason:       "發票作廢原因格式錯誤",
	CodeNoSuchAllowance: "作業未完成(9900301)",

	CodeMerchantMismatch:   "作業未完成(9900004)",
	CodeTriggerScheduled:   "作業未完成(9900101)",
	CodeTriggerIssued:      "作業未完成(9900102)",
	CodeTsrDup:             "作業未完成(9900103)",
	CodeVoidRepeated:       "作業未完成(9900201)",
	CodeConfirmRepeated:    "作業未完成(9900202)",
	CodeConfirmNotAwaited:  "作業未完成(9900203)",
	CodeConfirmArchiveMode: "作業未完成(9900204)",
}

// transMessages are the texts that go with TransCodes.
var transMessages = map[int]string{
	TransOK:           "Success",
	TransStale:        "Timestamp is over 10 minutes than it just produced.",
	TransDecryptFail:  "The parameter [Data] decrypt fail.",
	TransEmptyData:    "The parameter [Data] is required.",
	TransNotActivated: "B2C/B2B功能尚未開通，請聯繫所屬業務",
	TransBadEnvelope:  "The parameter is wrong.",
	TransBadRevision:  "The parameter [Revision] is wrong.",
	TransBadPlatform:  "The parameter [PlatformID] is wrong.",
}
