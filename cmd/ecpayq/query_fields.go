package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
)

// queryHelp is what the flags of queries say, by ECPay's name of the field.
var queryHelp = map[string]string{
	"AllowanceNo":       "number of the allowance, at most 16 letters and digits",
	"BarCode":           "carrier of a phone: a slash and seven of 0-9, A-Z, +, - and .",
	"BeginDate":         "first day of issue in Asia/Taipei, YYYY-MM-DD",
	"DataType":          "1, JSON; left out, it is this",
	"Date":              "day in Asia/Taipei, YYYY-MM-DD: of the invoice with search type 1, of the allowance with 2",
	"EndDate":           "last day of issue in Asia/Taipei, YYYY-MM-DD",
	"InvType":           "07 general, 08 special; left out, both",
	"InvoiceCategory":   "0: sales, what the merchant issued; 1: purchases, what was issued to it",
	"InvoiceDate":       "day of issue in Asia/Taipei, YYYY-MM-DD",
	"InvoiceHeader":     "track (字軌) of two capital letters; left out, all",
	"InvoiceNo":         "invoice number, two capital letters and eight digits",
	"InvoiceNumber":     "invoice number, two capital letters and eight digits",
	"InvoiceTerm":       "1 for January and February to 6 for November and December; 0 or left out, all",
	"InvoiceYear":       "year of the Republic of China, like 115",
	"IsReprintInvoice":  "Y marks it as a reprint (補印)",
	"IsShowingDetail":   "1 shows the items, 2 hides them",
	"LoveCode":          "donation code of three to seven digits",
	"MerchantID":        "MerchantID, at most 10 letters and digits",
	"NumPerPage":        "entries on a page, 1 to 200",
	"PrintStyle":        "1 one-sided, 2 two-sided, 3 thermal paper; for a buyer with a 統一編號 4 A4, 5 A5",
	"RelateNumber":      "the shop's own number, at most 50 characters",
	"SearchType":        "0 by allowance-no, 1 by invoice-no and its date, 2 by invoice-no and the date of the allowance",
	"ShowingPage":       "page, from 1",
	"UnifiedBusinessNo": "統一編號 of eight digits",
	"UseStatus":         "1 new, 2 in use, 3 stopped, 4 paused, 5 waiting for approval, 6 not approved; 0 or left out, all",
}

// queryHelpOf is what flags say of fields that mean something else in one query.
var queryHelpOf = map[string]string{
	"B2C GetInvoiceWordSetting InvoiceCategory": "always 1, B2C; left out, it is this",
	"B2B GetInvoiceWordSetting InvoiceCategory": "always 2, B2B; left out, it is this",
	"B2B InvoicePrint PrintStyle":               "1 A4, 2 A5; 0 or left out, A4",
	"B2B DownloadB2BPdf PrintStyle":             "1 A4, 2 A5; 0 or left out, A4",
}

// queryFields are the fields of an operation's request, with those of structs that it embeds.
func queryFields(op ecpay.Operation, request reflect.Type) []tasks.Field {
	var list []tasks.Field
	for _, f := range reflect.VisibleFields(request) {
		if f.Anonymous {
			continue
		}
		help := cmp.Or(queryHelpOf[op.String()+" "+f.Name], queryHelp[f.Name])
		if help == "" {
			panic("no help for the field " + f.Name + " of " + op.String()) // a programming error, found by any test of the command line
		}
		list = append(list, tasks.Field{Name: f.Name, En: help})
	}
	return list
}

// answerRows are the fields of an answer that are there, beside its code: those of an object
// in it each in a row of its own, and a list as its entries.
func answerRows(answer any) ([]table.Row, error) {
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return objectRows("", text)
}

func objectRows(prefix string, text []byte) ([]table.Row, error) {
	var rows []table.Row
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if name == "RtnCode" || name == "RtnMsg" {
			continue // said before
		}
		more, err := valueRows(prefix+fmt.Sprint(name), value)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func valueRows(name string, value json.RawMessage) ([]table.Row, error) {
	switch value[0] {
	case '{':
		return objectRows(name+".", value)
	case '[':
		var entries []json.RawMessage
		if err := json.Unmarshal(value, &entries); err != nil {
			return nil, err
		}
		var rows []table.Row
		for i, e := range entries {
			more, err := valueRows(fmt.Sprintf("%s %d", name, i+1), e)
			if err != nil {
				return nil, err
			}
			rows = append(rows, more...)
		}
		return rows, nil
	case '"':
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return nil, err
		}
		if s == "" {
			return nil, nil
		}
		return []table.Row{{name, s}}, nil
	}
	if string(value) == "null" {
		return nil, nil
	}
	return []table.Row{{name, string(value)}}, nil
}
