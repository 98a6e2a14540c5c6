package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/ecpayq/ecpayq/tasks"
)

// queryHelp is what the flags of queries say, by ECPay's name of the field.
var queryHelp = map[string]string{
	"MerchantID":      "MerchantID, at most 10 letters and digits",
	"RelateNumber":    "the shop's own number, at most 50 characters",
	"InvoiceNo":       "invoice number, two capital letters and eight digits",
	"InvoiceNumber":   "invoice number, two capital letters and eight digits",
	"InvoiceDate":     "day of issue in Asia/Taipei, YYYY-MM-DD",
	"AllowanceNo":     "number of the allowance, 16 digits",
	"InvoiceCategory": "0: sales, what the merchant issued; 1: purchases, what was issued to it",
}

// queryFields are the fields of a request, with those of structs that it embeds.
func queryFields(t reflect.Type) []tasks.Field {
	var list []tasks.Field
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		help, ok := queryHelp[f.Name]
		if !ok {
			panic("no help for the field " + f.Name + " of a query") // a programming error, found by any test of the command line
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
