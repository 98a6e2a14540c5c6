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
	CodeAmountMismatch  = 5000022 // recorded
	CodeNoSuchInvoice   = 6070004 // recorded: B2B number or date is wrong
	CodeBadReason       = 2103005 // recorded: B2B reason, checked before the invoice is looked up

	CodeNothing        = 7       // recorded: word settings and companies
	CodeNoSuchNumber   = 1600003 // recorded: B2C number
	CodeVoidedBefore   = 5070453 // recorded: B2C
	CodeReasonLong     = 2009005 // recorded: B2C
	CodeNotUploaded    = 5070451 // recorded: B2C, re-issued and not uploaded since
	CodeKeyMissing     = 2013001 // recorded: B2C GetInvalid without one of its three keys
	CodeBarcode        = 2019001 // recorded: malformed
	CodeLoveCode       = 2020001 // recorded: malformed
	CodeTaxIDFormat    = 2027000 // recorded: malformed
	CodeTaxIDCheck     = 1200125 // recorded: wrong check digit
	CodeCustomerExists = 6160052 // recorded: MaintainMerchantCustomerData, Add of one that exists
	CodeNoSuchBuyer    = 6000015 // recorded: B2B, not registered as a counterparty
	CodeNoPDF          = 0       // documented in an example: DownloadB2BPdf of a purchase
	CodeNoNumbers      = 5070350 // documented: no range of invoice numbers is on, or all are used up

	CodeAllowanceNoInvoice      = 2000018 // recorded: no such invoice to make an allowance of
	CodeAllowanceTooMuch        = 2000034 // recorded: less is left of the invoice
	CodeAllowanceUnknown        = 2000039 // recorded
	CodeAllowanceVoided         = 2000042 // recorded: the invoice is voided
	CodeAllowanceVoidedBefore   = 2000063 // recorded: the allowance is
	CodeAllowanceInvoiceMissing = 2014001 // recorded: GetAllowance without InvoiceNo, checked first
	CodeAllowanceNoMissing      = 2014003 // recorded: GetAllowance without AllowanceNo
	CodeAllowanceAgreed         = 5070250 // recorded: the buyer has agreed to the offer
	CodeAllowanceStands         = 5070450 // recorded: the invoice has allowances, and is not voided

	CodeTaxType             = 2001019 // recorded: there is no such TaxType
	CodeCarrierType         = 2001096 // recorded: there is no such CarrierType
	CodeClearanceMark       = 5000007 // recorded: TaxType 2 without ClearanceMark
	CodeCarrierPrinted      = 5000015 // recorded: a carrier with Print 1
	CodeIdentifierUnprinted = 5000028 // recorded: CustomerIdentifier with neither Print 1 nor a carrier
	CodeDelayDay            = 1200119 // recorded: DelayDay is out of range
	CodeRelateNumberLong    = 2001003 // recorded: RelateNumber of more than 50 characters
	CodeEmailLong           = 2001010 // recorded: CustomerEmail of more than 80 characters
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
	CodeReIssueDiffers     = 9900104 // VoidWithReIssue with another RelateNumber or time than the invoice has
	CodeVoidRepeated       = 9900201 // B2B Invalid of a voided invoice
	CodeConfirmRepeated    = 9900202 // InvalidConfirm of a confirmed void
	CodeConfirmNotAwaited  = 9900203 // InvalidConfirm of an invoice that is not voided, or by the party that voided it
	CodeConfirmArchiveMode = 9900204 // a confirm or a rejection by a merchant in archive mode
	CodeVoidRejected       = 9900205 // B2B Invalid of an invoice that is rejected

	CodeIssueConfirmRepeated    = 9900211 // IssueConfirm of a confirmed invoice
	CodeIssueConfirmNotAwaited  = 9900212 // IssueConfirm of an invoice that is voided or rejected, or by its seller
	CodeRejectRepeated          = 9900221 // Reject of a rejected invoice
	CodeRejectNotAwaited        = 9900222 // Reject of an invoice that is confirmed or voided, or by its seller
	CodeRejectConfirmRepeated   = 9900231 // RejectConfirm of a confirmed rejection
	CodeRejectConfirmNotAwaited = 9900232 // RejectConfirm of an invoice that is not rejected, or by its buyer

	CodeReIssueRepeated   = 9900241 // B2B VoidWithReIssue of what was issued anew
	CodeReIssueNotAwaited = 9900242 // B2B VoidWithReIssue of an invoice that is voided or rejected

	CodeNoSuchAllowance            = 9900301 // B2B: an unknown AllowanceNo
	CodeOfferEnded                 = 9900302 // AllowanceInvalidByCollegiate of an offer that was withdrawn or has expired
	CodeAllowanceNotConfirmed      = 9900303 // B2B Allowance of an invoice whose issue is not confirmed, or that is rejected
	CodeAllowanceConfirmRepeated   = 9900311 // AllowanceConfirm of a confirmed allowance
	CodeAllowanceConfirmNotAwaited = 9900312 // AllowanceConfirm of an allowance that is cancelled, or by its seller
	CodeCancelRepeated             = 9900321 // CancelAllowance of a cancelled allowance
	CodeCancelNotAwaited           = 9900322 // CancelAllowance of an allowance whose cancel is confirmed
	CodeCancelConfirmRepeated      = 9900331 // CancelAllowanceConfirm of a confirmed cancel
	CodeCancelConfirmNotAwaited    = 9900332 // CancelAllowanceConfirm of an allowance that is not cancelled, or by the side that cancelled it
	CodeNoSuchCustomer             = 9900403 // MaintainMerchantCustomerData, Update or Delete of one that is not registered
	CodeNotifyArchiveMode          = 9900206 // B2B Notify in archive mode about what only exchange mode has
	CodeB2BRelateNumberDup         = 9900401 // B2B Issue with a RelateNumber that was used before
	CodeTrackDup                   = 9900402 // AddInvoiceWordSetting of numbers that are in another range
	CodeTrackStopped               = 9900404 // UpdateInvoiceWordStatus of a range that is stopped
)

// What does not exist, or is not registered as a counterparty; everything else of its form does (our choice).
const (
	NoSuchBarcode  = "/0000000"
	NoSuchLoveCode = "000"
	NoSuchTaxID    = "00000000"
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
	CodeAmountMismatch:  "驗證發票金額發現錯誤",
	CodeNoSuchInvoice:   "發票號碼或日期錯誤",
	CodeBadReason:       "發票作廢原因格式錯誤",

	CodeNothing:                    "查無資料",
	CodeNoSuchNumber:               "無發票號碼資料",
	CodeVoidedBefore:               "B2C作廢發票 該發票已被作廢過",
	CodeReasonLong:                 "作廢原因長度錯誤",
	CodeKeyMissing:                 "必填欄位未填",
	CodeBarcode:                    "手機條碼格式錯誤",
	CodeLoveCode:                   "捐贈碼格式錯誤",
	CodeTaxIDFormat:                "統一編號格式錯誤",
	CodeTaxIDCheck:                 "統一編號檢查碼錯誤",
	CodeNoSuchBuyer:                "買方識別碼資料不存在",
	CodeCustomerExists:             "交易對象已存在",
	CodeNoSuchCustomer:             "作業未完成(9900403)",
	CodeNotifyArchiveMode:          "作業未完成(9900206)",
	CodeB2BRelateNumberDup:         "作業未完成(9900401)",
	CodeTrackDup:                   "作業未完成(9900402)",
	CodeTrackStopped:               "作業未完成(9900404)",
	CodeNoPDF:                      "無法下載進項發票",
	CodeNoNumbers:                  "請確認字軌是否已新增、啟用或用罄",
	CodeTaxType:                    "課稅類別格式錯誤",
	CodeCarrierType:                "載具類別格式錯誤",
	CodeClearanceMark:              "零稅率發票須填通關方式",
	CodeCarrierPrinted:             "使用載具時不可列印",
	CodeIdentifierUnprinted:        "有統一編號時須列印或使用載具",
	CodeDelayDay:                   "延遲天數超出範圍",
	CodeRelateNumberLong:           "自訂編號長度錯誤",
	CodeEmailLong:                  "客戶電子信箱長度錯誤",
	CodeNoSuchAllowance:            "作業未完成(9900301)",
	CodeAllowanceNotConfirmed:      "作業未完成(9900303)",
	CodeAllowanceConfirmRepeated:   "作業未完成(9900311)",
	CodeAllowanceConfirmNotAwaited: "作業未完成(9900312)",
	CodeCancelRepeated:             "作業未完成(9900321)",
	CodeCancelNotAwaited:           "作業未完成(9900322)",
	CodeCancelConfirmRepeated:      "作業未完成(9900331)",
	CodeCancelConfirmNotAwaited:    "作業未完成(9900332)",
	CodeOfferEnded:                 "作業未完成(9900302)",
	CodeNotUploaded:                "註銷重開發票尚未上傳財政部",

	CodeAllowanceNoInvoice:      "無該筆發票資料!",
	CodeAllowanceTooMuch:        "無足夠金額可以折讓，請確認",
	CodeAllowanceUnknown:        "查無折讓單資料",
	CodeAllowanceVoided:         "該發票已作廢，無法折讓",
	CodeAllowanceVoidedBefore:   "該折讓單已作廢過",
	CodeAllowanceInvoiceMissing: "發票號碼為必填",
	CodeAllowanceNoMissing:      "折讓編號為必填",
	CodeAllowanceAgreed:         "無法取消已經同意的線上折讓單",
	CodeAllowanceStands:         "B2C作廢發票 該發票已被折讓過，無法直接作廢發票",

	CodeMerchantMismatch:   "作業未完成(9900004)",
	CodeTriggerScheduled:   "作業未完成(9900101)",
	CodeTriggerIssued:      "作業未完成(9900102)",
	CodeTsrDup:             "作業未完成(9900103)",
	CodeReIssueDiffers:     "作業未完成(9900104)",
	CodeVoidRepeated:       "作業未完成(9900201)",
	CodeConfirmRepeated:    "作業未完成(9900202)",
	CodeConfirmNotAwaited:  "作業未完成(9900203)",
	CodeConfirmArchiveMode: "作業未完成(9900204)",

	CodeVoidRejected:            "作業未完成(9900205)",
	CodeRejectRepeated:          "作業未完成(9900221)",
	CodeRejectNotAwaited:        "作業未完成(9900222)",
	CodeRejectConfirmRepeated:   "作業未完成(9900231)",
	CodeRejectConfirmNotAwaited: "作業未完成(9900232)",
	CodeIssueConfirmRepeated:    "作業未完成(9900211)",
	CodeIssueConfirmNotAwaited:  "作業未完成(9900212)",
	CodeReIssueRepeated:         "作業未完成(9900241)",
	CodeReIssueNotAwaited:       "作業未完成(9900242)",
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
