package ecpaytest

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"unicode/utf8"
)

// relateNumber is the form of a RelateNumber: letters and digits (documented), "-" and "_" (seen in shipped clients).
var relateNumber = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// issueFields reads the fields that Issue, DelayIssue and EditDelayIssue share, and returns RelateNumber and SalesAmount.
// It knows no tax rules but those that have been recorded. Recorded, too: a carrier goes with a donation and with a
// CustomerIdentifier, and ZeroTaxRateReason is not enforced.
func (s *Server) issueFields(f *fields) (relate string, amount int) {
	if relate = f.required("RelateNumber", math.MaxInt); utf8.RuneCountInString(relate) > 50 {
		f.refuse(CodeRelateNumberLong)
	} else if !relateNumber.MatchString(relate) {
		f.complain(CodeFieldFormat, "RelateNumber must look like %s", relateNumber)
	}
	for _, optional := range []struct {
		name  string
		limit int
	}{
		{"ChannelPartner", 1}, {"CustomerID", 20}, {"ProductServiceID", 10}, {"LoveCode", 7}, {"CarrierNum", 64}, {"CarrierNum2", 64},
		{"ZeroTaxRateReason", 2}, {"InvoiceRemark", 200},
	} {
		f.optional(optional.name, optional.limit)
	}
	f.present("SpecialTaxType") // documented as a number, sent as a string too
	f.amount("TaxAmount", false)
	s.buyer(f)
	f.required("Donation", 1)
	f.required("InvType", 2)
	taxType, clearance := f.required("TaxType", 1), f.optional("ClearanceMark", 1)
	switch {
	case taxType != "" && !slices.Contains([]string{"1", "2", "3", "4", "9"}, taxType):
		f.refuse(CodeTaxType)
	case taxType == "2" && clearance == "":
		f.refuse(CodeClearanceMark)
	}
	amount = f.wholeAmount("SalesAmount")
	net := f.optional("vat", 1) == "0"
	sum := s.items(f, "ItemTaxType")
	switch {
	case net: // recorded: SalesAmount is accepted whatever it is, and computed anew; how is our choice
		amount = int(math.Round(sum))
		if taxType == "1" {
			amount = int(math.Round(sum * 1.05))
		}
	case int(math.Round(sum)) != amount:
		f.refuse(CodeAmountMismatch)
	}
	return relate, amount
}

// buyer reads whom the invoice is for, and by what it reaches them.
func (s *Server) buyer(f *fields) {
	identifier, carrier := f.optional("CustomerIdentifier", 8), f.optional("CarrierType", 1)
	printed := f.required("Print", 1) == "1"
	name, address := f.optional("CustomerName", 60), f.optional("CustomerAddr", 100)
	phone, email := f.optional("CustomerPhone", 20), f.optional("CustomerEmail", math.MaxInt)
	switch {
	case utf8.RuneCountInString(email) > 80:
		f.refuse(CodeEmailLong)
	case !slices.Contains([]string{"", "1", "2", "3", "4", "5"}, carrier):
		f.refuse(CodeCarrierType)
	case carrier != "" && printed:
		f.refuse(CodeCarrierPrinted)
	case identifier != "" && carrier == "" && !printed:
		f.refuse(CodeIdentifierUnprinted)
	case printed && (name == "" || address == ""):
		f.complain(CodeFieldMissing, "CustomerName and CustomerAddr are required with Print 1")
	case phone == "" && email == "":
		f.complain(CodeFieldMissing, "CustomerPhone or CustomerEmail is required")
	}
}

// items reads Items and returns the sum of ItemAmount. The names of fields beside those of all are given.
func (s *Server) items(f *fields, more ...string) float64 {
	var items []json.RawMessage
	if !f.present("Items") || json.Unmarshal(f.members["Items"], &items) != nil || len(items) == 0 || len(items) > 999 {
		f.complain(CodeFieldMissing, "Items must be 1 to 999 objects")
		return 0
	}
	sum := 0.0
	for _, text := range items {
		item := newFields(text)
		item.amount("ItemSeq", false)
		item.required("ItemName", 500)
		item.amount("ItemCount", true)
		item.required("ItemWord", 6)
		item.amount("ItemPrice", true)
		sum += item.amount("ItemAmount", true)
		item.optional("ItemRemark", 120)
		for _, name := range more {
			item.present(name)
		}
		if a, ok := s.checked(item); !ok && f.refusal == nil {
			f.refusal = &a
		}
	}
	return sum
}
