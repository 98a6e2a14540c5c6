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

// issueFields reads the fields that Issue, DelayIssue, EditDelayIssue and the IssueModel of VoidWithReIssue share, and returns
// RelateNumber, SalesAmount, InvType and Paperless. It knows no tax rules but those that have been recorded, and of forms those whose
// codes are. Recorded, too: a carrier goes with a donation and with a CustomerIdentifier, and ZeroTaxRateReason is not enforced.
func (s *Server) issueFields(f *fields) Delayed {
	relate := f.required("RelateNumber", math.MaxInt)
	if utf8.RuneCountInString(relate) > 50 {
		f.refuse(CodeRelateNumberLong)
	} else if !relateNumber.MatchString(relate) {
		f.complain(CodeFieldFormat, "RelateNumber must look like %s", relateNumber)
	}
	for _, optional := range []struct {
		name  string
		limit int
	}{
		{"ChannelPartner", 1}, {"CustomerID", 20}, {"ProductServiceID", 10}, {"CarrierNum2", 64}, {"ZeroTaxRateReason", 2},
		{"InvoiceRemark", 200},
	} {
		f.optional(optional.name, optional.limit)
	}
	f.present("SpecialTaxType") // documented as a number, sent as a string too
	f.amount("TaxAmount", false)
	paperless := s.buyer(f)
	invType := f.required("InvType", 2)
	taxType, clearance := f.required("TaxType", 1), f.optional("ClearanceMark", 1)
	switch {
	case taxType != "" && !slices.Contains([]string{"1", "2", "3", "4", "9"}, taxType):
		f.refuse(CodeTaxType)
	case taxType == "2" && clearance == "":
		f.refuse(CodeClearanceMark)
	}
	amount := f.wholeAmount("SalesAmount")
	net := f.optional("vat", 1) == "0"
	items := s.items(f, "ItemTaxType")
	switch {
	case net: // recorded: SalesAmount is accepted whatever it is, and computed anew; how is our choice, by the rule for ItemAmount
		amount = dollars(netTotal(items, taxType))
	case dollars(sumOf(items)) != amount:
		f.refuse(CodeAmountMismatch)
	}
	return Delayed{RelateNumber: relate, SalesAmount: amount, InvType: invType, Paperless: paperless}
}

// buyer reads whom the invoice is for, and by what it reaches them, and reports whether that is no paper. The codes of a wrong
// check digit, a malformed mobile barcode and a malformed donation code were recorded; that Issue answers those of the
// queries is our choice.
func (s *Server) buyer(f *fields) (paperless bool) {
	identifier, carrier := f.optional("CustomerIdentifier", 8), f.optional("CarrierType", 1)
	printed := f.required("Print", 1) == "1"
	name, address := f.optional("CustomerName", 60), f.optional("CustomerAddr", 100)
	phone, email := f.optional("CustomerPhone", 20), f.optional("CustomerEmail", math.MaxInt)
	donated, love, number := f.required("Donation", 1) == "1", f.optional("LoveCode", 7), f.optional("CarrierNum", 64)
	switch {
	case identifier != "" && !taxID.MatchString(identifier):
		f.refuse(CodeTaxIDFormat)
	case identifier != "" && !checksOut(identifier):
		f.refuse(CodeTaxIDCheck)
	case donated && !loveCode.MatchString(love):
		f.refuse(CodeLoveCode)
	case carrier == "3" && !barcode.MatchString(number):
		f.refuse(CodeBarcode)
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
	return carrier != "" || donated
}

// itemLine is what counts of an item.
type itemLine struct {
	count, price, amount float64
	taxType              string
}

// items reads Items. The names of fields beside those of all are given.
func (s *Server) items(f *fields, more ...string) []itemLine {
	var lines []itemLine
	s.each(f, "Items", func(item *fields) {
		item.amount("ItemSeq", false)
		item.required("ItemName", 500)
		line := itemLine{count: item.amount("ItemCount", true)}
		item.required("ItemWord", 6)
		line.price, line.amount = item.amount("ItemPrice", true), item.amount("ItemAmount", true)
		item.optional("ItemRemark", 120)
		for _, name := range more {
			item.present(name)
		}
		_ = json.Unmarshal(item.members["ItemTaxType"], &line.taxType)
		lines = append(lines, line)
	})
	return lines
}

// each reads a list of 1 to 999 objects, one after the other.
func (s *Server) each(f *fields, name string, read func(*fields)) {
	var list []json.RawMessage
	if !f.present(name) || json.Unmarshal(f.members[name], &list) != nil || len(list) == 0 || len(list) > 999 {
		f.complain(CodeFieldMissing, "%s must be 1 to 999 objects", name)
		return
	}
	for _, text := range list {
		item := newFields(text)
		read(item)
		if a, ok := s.checked(item); !ok && f.refusal == nil {
			f.refusal = &a
		}
	}
}

// sumOf is the sum of ItemAmount.
func sumOf(lines []itemLine) float64 {
	sum := 0.0
	for _, l := range lines {
		sum += l.amount
	}
	return sum
}

// netTotal is what items cost whose prices are without tax, with it.
func netTotal(lines []itemLine, taxType string) float64 {
	sum := 0.0
	for _, l := range lines {
		rate := 1.0
		if taxType == "1" || taxType == "9" && l.taxType == "1" {
			rate = 1.05
		}
		sum += l.price * l.count * rate
	}
	return sum
}

// dollars rounds to the dollar what is exact to a millionth, a half going up.
func dollars(v float64) int { return int(math.Round(math.Round(v*1e6) / 1e6)) }
