package ecpay

import (
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func goodAllowance() *B2CAllowanceRequest {
	return &B2CAllowanceRequest{
		MerchantID: stageID, InvoiceNo: "JU11082064", InvoiceDate: "2019-09-23", AllowanceNotify: NotifyNone, AllowanceAmount: "11",
		Items: []B2CAllowanceItem{{ItemSeq: 1, ItemName: "商品", ItemCount: "1", ItemWord: "個", ItemPrice: "10.5", ItemAmount: "10.5"}},
	}
}

func goodOffer() *B2CAllowanceByCollegiateRequest {
	r := goodAllowance()
	return &B2CAllowanceByCollegiateRequest{
		MerchantID: r.MerchantID, InvoiceNo: r.InvoiceNo, InvoiceDate: r.InvoiceDate, AllowanceNotify: NotifyEmail,
		NotifyMail: "a@example.com", AllowanceAmount: r.AllowanceAmount, Items: r.Items,
	}
}

// allow is a good allowance with changes.
func allow(change func(*B2CAllowanceRequest)) *B2CAllowanceRequest {
	r := goodAllowance()
	change(r)
	return r
}

// allowItem is a good allowance with changes of its item.
func allowItem(change func(*B2CAllowanceItem)) *B2CAllowanceRequest {
	return allow(func(r *B2CAllowanceRequest) { change(&r.Items[0]) })
}

// allowItems is an allowance of so many items of a dollar.
func allowItems(n int, amount json.Number) *B2CAllowanceRequest {
	return allow(func(r *B2CAllowanceRequest) {
		r.Items[0].ItemSeq, r.Items[0].ItemAmount = 0, "1"
		r.Items, r.AllowanceAmount = slices.Repeat(r.Items, n), amount
	})
}

func offer(change func(*B2CAllowanceByCollegiateRequest)) *B2CAllowanceByCollegiateRequest {
	r := goodOffer()
	change(r)
	return r
}

// validationRow is a request, and the fields that are wrong in it.
type validationRow struct {
	req    Request
	fields []string
}

func checkValidation(t *testing.T, rows map[string]validationRow) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, row.req, row.fields)
		})
	}
}

func TestValidationOfAllowances(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("綠", n) }
	mail := func(n int) string { return strings.Repeat("x", n-len("@example.com")) + "@example.com" }
	notify := func(how, mail, phone string) *B2CAllowanceRequest {
		return allow(func(r *B2CAllowanceRequest) { r.AllowanceNotify, r.NotifyMail, r.NotifyPhone = how, mail, phone })
	}
	checkValidation(t, map[string]validationRow{
		"good": {goodAllowance(), nil},
		"all missing": {
			&B2CAllowanceRequest{}, []string{"MerchantID", "InvoiceNo", "InvoiceDate", "AllowanceNotify", "AllowanceAmount", "Items"},
		},
		"InvoiceNo lower":         {allow(func(r *B2CAllowanceRequest) { r.InvoiceNo = "ju11082064" }), []string{"InvoiceNo"}},
		"InvoiceDate none":        {allow(func(r *B2CAllowanceRequest) { r.InvoiceDate = "2019-02-30" }), []string{"InvoiceDate"}},
		"notify by nothing":       {notify("", "", ""), []string{"AllowanceNotify"}},
		"notify by mail":          {notify(NotifyEmail, "a@example.com", ""), nil},
		"notify by mail, none":    {notify(NotifyEmail, "", ""), []string{"NotifyMail"}},
		"notify by text":          {notify(NotifySMS, "", "0912345678"), nil},
		"notify by text, none":    {notify(NotifySMS, "a@example.com", ""), []string{"NotifyPhone"}},
		"notify by both":          {notify(NotifyBoth, "a@example.com;b@example.com", "0912345678"), nil},
		"notify by both, none":    {notify(NotifyBoth, "", ""), []string{"NotifyMail", "NotifyPhone"}},
		"mail of 100":             {notify(NotifyEmail, mail(100), ""), nil},
		"mail of 101":             {notify(NotifyEmail, mail(101), ""), []string{"NotifyMail"}},
		"mail that is none":       {notify(NotifyEmail, "a@example.com;b", ""), []string{"NotifyMail"}},
		"mails with a comma":      {notify(NotifyEmail, "a@example.com,b@example.com", ""), []string{"NotifyMail"}},
		"phone of 20":             {notify(NotifySMS, "", strings.Repeat("1", 20)), nil},
		"phone of 21":             {notify(NotifySMS, "", strings.Repeat("1", 21)), []string{"NotifyPhone"}},
		"phone with a hyphen":     {notify(NotifyNone, "", "0912-345678"), []string{"NotifyPhone"}},
		"CustomerName 60":         {allow(func(r *B2CAllowanceRequest) { r.CustomerName = long(60) }), nil},
		"CustomerName 61":         {allow(func(r *B2CAllowanceRequest) { r.CustomerName = long(61) }), []string{"CustomerName"}},
		"Reason 50":               {allow(func(r *B2CAllowanceRequest) { r.Reason = long(50) }), nil},
		"Reason 51":               {allow(func(r *B2CAllowanceRequest) { r.Reason = long(51) }), []string{"Reason"}},
		"offer good":              {goodOffer(), nil},
		"offer by nothing":        {offer(func(r *B2CAllowanceByCollegiateRequest) { r.AllowanceNotify = "" }), nil},
		"offer by text":           {offer(func(r *B2CAllowanceByCollegiateRequest) { r.AllowanceNotify = "S" }), []string{"AllowanceNotify"}},
		"offer without mail":      {offer(func(r *B2CAllowanceByCollegiateRequest) { r.NotifyMail = "" }), []string{"NotifyMail"}},
		"offer of another amount": {offer(func(r *B2CAllowanceByCollegiateRequest) { r.AllowanceAmount = "10" }), []string{"AllowanceAmount"}},
		"offer ReturnURL 200": {offer(func(r *B2CAllowanceByCollegiateRequest) {
			r.ReturnURL = "https://shop.example/" + strings.Repeat("x", 179)
		}), nil},
		"offer ReturnURL 201": {offer(func(r *B2CAllowanceByCollegiateRequest) {
			r.ReturnURL = "https://shop.example/" + strings.Repeat("x", 180)
		}), []string{"ReturnURL"}},
		"offer all missing": {&B2CAllowanceByCollegiateRequest{}, []string{
			"MerchantID", "InvoiceNo", "InvoiceDate", "NotifyMail", "AllowanceAmount", "Items",
		}},
	})
}

func TestValidationOfTheItemsOfAllowances(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("綠", n) }
	amount := func(n json.Number) *B2CAllowanceRequest {
		return allow(func(r *B2CAllowanceRequest) { r.AllowanceAmount = n })
	}
	count := func(n json.Number) *B2CAllowanceRequest {
		return allowItem(func(i *B2CAllowanceItem) { i.ItemCount = n })
	}
	item := func(n, total json.Number) *B2CAllowanceRequest {
		return allow(func(r *B2CAllowanceRequest) {
			r.Items[0].ItemPrice, r.Items[0].ItemAmount, r.AllowanceAmount = n, n, total
		})
	}
	checkValidation(t, map[string]validationRow{
		"items none":              {allowItems(0, "1"), []string{"Items"}},
		"items 999":               {allowItems(999, "999"), nil},
		"items 1000":              {allowItems(1000, "1000"), []string{"Items"}},
		"ItemSeq 999":             {allowItem(func(i *B2CAllowanceItem) { i.ItemSeq = 999 }), nil},
		"ItemSeq 1000":            {allowItem(func(i *B2CAllowanceItem) { i.ItemSeq = 1000 }), []string{"ItemSeq"}},
		"ItemSeq -1":              {allowItem(func(i *B2CAllowanceItem) { i.ItemSeq = -1 }), []string{"ItemSeq"}},
		"ItemName 500":            {allowItem(func(i *B2CAllowanceItem) { i.ItemName = long(500) }), nil},
		"ItemName 501":            {allowItem(func(i *B2CAllowanceItem) { i.ItemName = long(501) }), []string{"ItemName"}},
		"ItemName none":           {allowItem(func(i *B2CAllowanceItem) { i.ItemName = " " }), []string{"ItemName"}},
		"ItemWord 6":              {allowItem(func(i *B2CAllowanceItem) { i.ItemWord = long(6) }), nil},
		"ItemWord 7":              {allowItem(func(i *B2CAllowanceItem) { i.ItemWord = long(7) }), []string{"ItemWord"}},
		"ItemTaxType 3":           {allowItem(func(i *B2CAllowanceItem) { i.ItemTaxType = "3" }), nil},
		"ItemTaxType 4":           {allowItem(func(i *B2CAllowanceItem) { i.ItemTaxType = "4" }), []string{"ItemTaxType"}},
		"ItemCount of 6 places":   {count("12345678.123456"), nil},
		"ItemCount of 7 places":   {count("1.1234567"), []string{"ItemCount"}},
		"ItemCount of 9 digits":   {count("123456789"), []string{"ItemCount"}},
		"ItemCount 0":             {count("0.0"), []string{"ItemCount"}},
		"ItemCount less than 0":   {count("-1"), []string{"ItemCount"}},
		"ItemCount none":          {count(""), []string{"ItemCount"}},
		"ItemCount an exponent":   {count("1e2"), []string{"ItemCount"}},
		"ItemCount no number":     {count("one"), []string{"ItemCount"}},
		"ItemCount with a zero":   {count("01"), []string{"ItemCount"}},
		"ItemCount without digit": {count("1."), []string{"ItemCount"}},
		"ItemCount a fraction":    {count("1/3"), []string{"ItemCount"}},
		"amount of 7 places":      {item("12345678.1234567", "12345678"), nil},
		"amount of 8 places":      {item("1.12345678", "1"), []string{"ItemPrice", "ItemAmount"}},
		"amount of 9 digits":      {item("123456789", "123456789"), []string{"ItemPrice", "ItemAmount"}},
		"AllowanceAmount none":    {amount(""), []string{"AllowanceAmount"}},
		"AllowanceAmount 0":       {amount("0"), []string{"AllowanceAmount"}},
		"AllowanceAmount -11":     {amount("-11"), []string{"AllowanceAmount"}},
		"AllowanceAmount 11.0":    {amount("11.0"), []string{"AllowanceAmount"}},
		"AllowanceAmount 1e1":     {amount("1e1"), []string{"AllowanceAmount"}},
		"AllowanceAmount too low": {amount("10"), []string{"AllowanceAmount"}},
		"AllowanceAmount half up": {item("10.5", "11"), nil},
		"AllowanceAmount down":    {item("10.4999999", "10"), nil},
		"AllowanceAmount up":      {item("10.4999999", "11"), []string{"AllowanceAmount"}},
		"the largest":             {amount("2147483647"), []string{"AllowanceAmount"}}, // another sum
		"one more":                {amount("2147483648"), []string{"AllowanceAmount"}},
	})
	if err := amount("2147483648").Validate(); err == nil || !strings.HasSuffix(err.Error(), "AllowanceAmount must be at most 2147483647") {
		t.Errorf("got %v, want the limit and not the value", err)
	}
}

func TestValidationOfTheVoidsAndQueriesOfAllowances(t *testing.T) {
	t.Parallel()
	const no, invoice = "2026061721545183", "JU11082064"
	list := func(search, allowance, invoice, date string) *B2CGetAllowanceListRequest {
		return &B2CGetAllowanceListRequest{MerchantID: stageID, SearchType: search, AllowanceNo: allowance, InvoiceNo: invoice, Date: date}
	}
	long := func(n int) string { return strings.Repeat("綠", n) }
	keys := []string{"MerchantID", "InvoiceNo", "AllowanceNo"}
	checkValidation(t, map[string]validationRow{
		"void good":               {&B2CAllowanceInvalidRequest{stageID, invoice, no, long(20)}, nil},
		"void Reason 21":          {&B2CAllowanceInvalidRequest{stageID, invoice, no, long(21)}, []string{"Reason"}},
		"void AllowanceNo 17":     {&B2CAllowanceInvalidRequest{stageID, invoice, no + "1", "r"}, []string{"AllowanceNo"}},
		"void AllowanceNo hyphen": {&B2CAllowanceInvalidRequest{stageID, invoice, "2026-0617", "r"}, []string{"AllowanceNo"}},
		"void all missing":        {&B2CAllowanceInvalidRequest{}, append(slices.Clone(keys), "Reason")},
		"withdraw good":           {&B2CAllowanceInvalidByCollegiateRequest{stageID, invoice, no, long(20)}, nil},
		"withdraw Reason 21":      {&B2CAllowanceInvalidByCollegiateRequest{stageID, invoice, no, long(21)}, []string{"Reason"}},
		"withdraw all missing":    {&B2CAllowanceInvalidByCollegiateRequest{}, append(slices.Clone(keys), "Reason")},
		"get good":                {&B2CGetAllowanceRequest{stageID, invoice, no}, nil},
		"get all missing":         {&B2CGetAllowanceRequest{}, keys},
		"get void all missing":    {&B2CGetAllowanceInvalidRequest{}, keys},
		"list by number":          {list(ByAllowanceNo, no, "", ""), nil},
		"list by both":            {list(ByAllowanceNo, no, invoice, ""), []string{"SearchType"}},
		"list by no number":       {list(ByAllowanceNo, "", "", ""), []string{"AllowanceNo"}},
		"list by invoice":         {list(ByInvoiceDate, "", invoice, "2019/09/23"), nil},
		"list by no day":          {list(ByAllowanceDate, "", invoice, ""), []string{"Date"}},
		"list by all":             {list(ByAllowanceDate, no, invoice, "2019-09-23"), []string{"SearchType"}},
		"list by nothing":         {list("", "", "", ""), []string{"SearchType"}},
	})
}

func TestValidationNumbersTheItemsOfAnAllowance(t *testing.T) {
	t.Parallel()
	r := allowItems(2, " 2 ")
	r.Items = append(r.Items[:1:1], r.Items[1])
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := []int{r.Items[0].ItemSeq, r.Items[1].ItemSeq}; got[0] != 1 || got[1] != 2 || r.AllowanceAmount != "2" {
		t.Errorf("got %v and %q, want 1, 2 and the amount without blanks", got, r.AllowanceAmount)
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"AllowanceAmount":2,`) {
		t.Errorf("got %s, %v, want the amount as a number", text, err)
	}
}

func TestDollarsAreRoundedHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "0.4999999": "0", "0.5": "1", "1.5": "2", "2.5": "3", "2.4999999": "2", "-0.5": "-1", "-0.4": "0", "-1.5": "-2",
		"99999999.9999999": "100000000", "0.1": "0",
	} {
		n, ok := new(big.Rat).SetString(in)
		if !ok {
			t.Fatal(in)
		}
		if got := rounded(n).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// In floats, the fifteen tenths are a little more or less than one and a half.
func TestItemsAddUpExactly(t *testing.T) {
	t.Parallel()
	tenths := allowItems(15, "2")
	for i := range tenths.Items {
		tenths.Items[i].ItemAmount = "0.1"
	}
	if err := tenths.Validate(); err != nil { // 1.5
		t.Error(err)
	}
	tenths.Items[0].ItemAmount = "0.0999999"
	checkFields(t, tenths, []string{"AllowanceAmount"}) // 1.4999999
}

func TestAnAnswerAboutAnotherAllowanceProvesNothing(t *testing.T) {
	t.Parallel()
	const no = "2026061721545183"
	void := func() Request { return &B2CAllowanceInvalidRequest{stageID, "JU11082064", no, "r"} }
	get := func() Request { return &B2CGetAllowanceRequest{stageID, "JU11082064", no} }
	voided := func() Request { return &B2CGetAllowanceInvalidRequest{stageID, "JU11082064", no} }
	list := func(search string) Request {
		return &B2CGetAllowanceListRequest{MerchantID: stageID, SearchType: search, InvoiceNo: "JU11082064", Date: "2019-09-23"}
	}
	byNumber := &B2CGetAllowanceListRequest{MerchantID: stageID, SearchType: ByAllowanceNo, AllowanceNo: no}
	for name, tc := range map[string]struct {
		req   Request
		data  string // beside RtnCode 1
		field string // by which it is another's; empty: ours
	}{
		"an allowance":                      {goodAllowance(), `"IA_Invoice_No":"JU11082064","IA_Date":"2026-06-17 21:54:51"`, ""},
		"an allowance of another invoice":   {goodAllowance(), `"IA_Invoice_No":"JU11082065"`, "InvoiceNumber"},
		"an offer of another invoice":       {goodOffer(), `"IA_Invoice_No":"JU11082065"`, "InvoiceNumber"},
		"a void":                            {void(), `"IA_Invoice_No":"JU11082064"`, ""},
		"a void of another invoice's":       {void(), `"IA_Invoice_No":"JU11082065"`, "InvoiceNumber"},
		"one allowance":                     {get(), `"IA_Allow_No":2026061721545183,"IA_Mer_ID":2000132`, ""},
		"one allowance of another merchant": {get(), `"IA_Allow_No":"2026061721545183","IA_Mer_ID":2000133`, "MerchantID"},
		"another allowance":                 {get(), `"IA_Allow_No":"2026061721545184"`, "AllowanceNo"},
		"its void":                          {voided(), `"AI_Allow_No":"2026061721545183","AI_Invoice_No":"JU11082064","AI_Mer_ID":2000132`, ""},
		"another's void":                    {voided(), `"AI_Allow_No":"2026061721545184"`, "AllowanceNo"},
		"its void of another invoice":       {voided(), `"AI_Invoice_No":"JU11082065"`, "InvoiceNumber"},
		"its void of another merchant":      {voided(), `"AI_Mer_ID":2000133`, "MerchantID"},
		"an empty list":                     {list(ByInvoiceDate), `"AllowanceInfo":[]`, ""},
		"no list":                           {list(ByInvoiceDate), `"AllowanceInfo":null`, ""},
		"a list": {
			list(ByInvoiceDate), `"AllowanceInfo":[{"IA_Invoice_No":"JU11082064","IA_Invoice_Issue_Date":"2019-09-23 10:00:00"}]`, "",
		},
		"a list as text": {list(ByInvoiceDate), `"AllowanceInfo":"[{\"IA_Invoice_No\":\"JU11082065\"}]"`, "InvoiceNumber"},
		"a list with a row of another": {
			list(ByInvoiceDate), `"AllowanceInfo":[{"IA_Invoice_No":"JU11082064"},{"IA_Invoice_No":"JU11082065"}]`, "InvoiceNumber",
		},
		"a list of another day's invoice": {
			list(ByInvoiceDate), `"AllowanceInfo":[{"IA_Invoice_Issue_Date":"2017-09-23 10:00:00"}]`, "InvoiceDate",
		},
		"a list of later allowances":         {list(ByInvoiceDate), `"AllowanceInfo":[{"IA_Date":"2019-10-01 10:00:00"}]`, ""},
		"a list of the day's allowances":     {list(ByAllowanceDate), `"AllowanceInfo":[{"IA_Date":"2019-09-23 10:00:00"}]`, ""},
		"a list of another day's allowances": {list(ByAllowanceDate), `"AllowanceInfo":[{"IA_Date":"2019-09-24 10:00:00"}]`, "Date"},
		"a list of another allowance":        {byNumber, `"AllowanceInfo":[{"IA_Allow_No":"2026061721545184"}]`, "AllowanceNo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, answer(t, `{"RtnCode":1,"RtnMsg":"",`+tc.data+`}`))
			})
			_, err := c.Do(t.Context(), stageMerchant(t), tc.req)
			checkSubjectError(t, err, tc.req, tc.field)
		})
	}
}
