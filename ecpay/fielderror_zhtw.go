package ecpay

import (
	"fmt"
	"strings"
)

// problemsZhTW are the problems of fields that hold no number and no list.
var problemsZhTW = map[string]string{
	"is required":                                                                     "為必填",
	"must be letters and digits":                                                      "須為英數字",
	`may hold letters, digits, "-" and "_" only`:                                      "只能有英數字、「-」與「_」",
	"must be two capital letters and eight digits, like VG11000002":                   "須為兩個大寫字母加八位數字，例如 VG11000002",
	"must be two capital letters and eight digits, like JU11082064":                   "須為兩個大寫字母加八位數字，例如 JU11082064",
	"must be digits":                                                                  "須為數字",
	"must be e-mail addresses, separated by semicolons":                               "須為電子郵件地址，多個地址以分號分隔",
	"must be a number in decimal digits, like 100 or 10.5":                            "須為十進位數字，例如 100 或 10.5",
	"must be whole dollars, without a decimal point":                                  "須為整數金額，不可有小數點",
	"must be the sum of all ItemAmount, rounded to whole dollars":                     "須等於各項 ItemAmount 加總後四捨五入的金額",
	"0 goes with AllowanceNo alone: leave InvoiceNo and Date empty":                   "為 0 時只用 AllowanceNo，InvoiceNo 與 Date 須留空",
	"1 and 2 go with InvoiceNo and Date: leave AllowanceNo empty":                     "為 1 或 2 時用 InvoiceNo 與 Date，AllowanceNo 須留空",
	"must be a calendar day written yyyy-mm-dd (Asia/Taipei), like 2019-09-23":        "須為日期，格式為 yyyy-mm-dd（台北時區），例如 2019-09-23",
	"must be in the years 2000 to 2099; a year of the Republic of China is 1911 less": "年份須為西元 2000 至 2099 年（民國年加 1911）",
	"may not hold control characters or broken UTF-8":                                 "不可有控制字元或錯誤的 UTF-8",
	"may not hold anything like an HTML tag":                                          "不可有類似 HTML 標籤的文字",
	"must be 0 (sales) or 1 (purchase)":                                               "須為 0（銷項）或 1（進項）",
	"must be two capital letters":                                                     "須為兩個大寫英文字母",
	"must be sixteen digits":                                                          "須為十六位數字",
	"must be a time written yyyy-mm-dd hh:mm:ss (Asia/Taipei)":                        "須為時間，格式為 yyyy-mm-dd hh:mm:ss（台北時區）",
	"must be a year of the Republic of China, three digits like 115":                  "須為民國年三碼，例如 115",
	"must be the same in VoidModel and IssueModel: leave it empty there":              "VoidModel 與 IssueModel 內的值須相同，可留空",
	"must be eight digits that end in 00 or 50, like 10000000":                        "須為八位數字，末兩碼為 00 或 50，例如 10000000",
	"must be eight digits that end in 49 or 99, like 10000049":                        "須為八位數字，末兩碼為 49 或 99，例如 10000049",
	"is before InvoiceStart":                                                          "不可小於 InvoiceStart",
	"is before BeginDate":                                                             "不可早於 BeginDate",
	"must be 1 or more":                                                               "須為 1 以上",
	"must be eight digits":                                                            "須為八位數字",
	"is no 統一編號: its check digit is wrong; look at it again":                          "不是有效的統一編號：檢查碼不符，請再確認",
	"must be three to seven digits":                                                   "須為三至七位數字",
	`must be a slash and seven of 0-9, A-Z, "+", "-" and ".", like /ABC+123`:          "須為「/」加七個字元（0-9、A-Z、「+」、「-」、「.」），例如 /ABC+123",
	"must be two capital letters and fourteen digits with CarrierType 2":              "CarrierType 為 2 時須為兩個大寫英文字母加十四位數字",
	"must be 0 with a CarrierType: leave one of them out":                             "使用載具時須為 0；載具與列印請擇一",
	"needs Print 1 or a CarrierType":                                                  "須搭配 Print 1（列印）或載具（CarrierType）",
	"must be the sum of all ItemAmount, rounded":                                      "須等於各項 ItemAmount 加總後四捨五入的金額",
	"may not be less than 0":                                                          "不可小於 0",
	"is larger than any amount":                                                       "金額過大",
	"or CustomerEmail is required":                                                    "與 CustomerEmail 至少須填一項",
	"is required with TaxType 4: a number from 1 to 8":                                "TaxType 為 4 時須填 1 至 8",
	"must differ from that of every other item":                                       "不可與其他商品重複",
	"must be SalesAmount and TaxAmount together":                                      "須等於 SalesAmount 與 TaxAmount 相加",
	"must be more than 0":                                                             "須大於 0",
	"goes alone: leave InvoiceNo and InvoiceDate empty, or it":                        "須單獨使用：InvoiceNo 與 InvoiceDate 須留空，或留空此欄",
}

// ProblemZhTW is the problem in the Chinese of Taiwan.
func (e FieldError) ProblemZhTW() string {
	var n, least, most int
	if got, _ := fmt.Sscanf(e.Problem, "has %d characters, at most %d are allowed", &n, &most); got == 2 {
		return fmt.Sprintf("有 %d 個字元，至多 %d 個", n, most)
	}
	if got, _ := fmt.Sscanf(e.Problem, "has %d entries, %d to %d are allowed", &n, &least, &most); got == 3 {
		return fmt.Sprintf("有 %d 項，須為 %d 至 %d 項", n, least, most)
	}
	if got, _ := fmt.Sscanf(e.Problem, "make the payload %d bytes, at most %d are allowed", &n, &most); got == 2 {
		return fmt.Sprintf("使任務內容達 %d 位元組，至多 %d", n, most)
	}
	if got, _ := fmt.Sscanf(e.Problem, "may have at most %d digits before the decimal point and %d after it", &n, &most); got == 2 {
		return fmt.Sprintf("整數至多 %d 位，小數至多 %d 位", n, most)
	}
	if got, _ := fmt.Sscanf(e.Problem, "must be at most %d", &most); got == 1 {
		return fmt.Sprintf("不可超過 %d", most)
	}
	if got, _ := fmt.Sscanf(e.Problem, "must be 1 to %d days with DelayFlag 1", &most); got == 1 {
		return fmt.Sprintf("DelayFlag 為 1 時須為 1 至 %d 天，為 2 時須為 0 至 %d 天", most, most)
	}
	if got, _ := fmt.Sscanf(e.Problem, "must be %d to %d days", &least, &most); got == 2 {
		return fmt.Sprintf("須為 %d 至 %d 天", least, most)
	}
	if got, _ := fmt.Sscanf(e.Problem, "must be whole dollars, %d to %d", &least, &most); got == 2 {
		return fmt.Sprintf("須為整數金額，%d 至 %d 元", least, most)
	}
	if got, _ := fmt.Sscanf(e.Problem, "must be %d to %d", &least, &most); got == 2 {
		return fmt.Sprintf("須為 %d 至 %d", least, most)
	}
	if values, ok := strings.CutPrefix(e.Problem, "must be one of "); ok {
		return "須為下列之一：" + values
	}
	if zh, ok := problemsZhTW[e.Problem]; ok {
		return zh
	}
	return e.Problem
}
