package ecpaytest

import (
	"encoding/json"
	"regexp"
)

// relateNumber is the documented form of a RelateNumber: letters and digits.
var relateNumber = regexp.MustCompile(`^[A-Za-z0-9]{1,50}$`)

// issueFields reads the fields that DelayIssue shares with Issue, and returns the sum of ItemAmount.
func (s *Server) issueFields(f *fields) float64 {
	for _, optional := range []struct {
		name  string
		limit int
	}{
		{"ChannelPartner", 1}, {"CustomerID", 20}, {"ProductServiceID", 10}, {"CustomerIdentifier", 8}, {"ClearanceMark", 1},
		{"LoveCode", 7}, {"CarrierType", 1}, {"CarrierNum", 64}, {"CarrierNum2", 64}, {"ZeroTaxRateReason", 2},
		{"InvoiceRemark", 200}, {"vat", 1},
	} {
		f.optional(optional.name, optional.limit)
	}
	f.present("SpecialTaxType") // documented as a number, sent as a string too
	f.number("TaxAmount", false)
	print := f.required("Print", 1)
	name, address := f.optional("CustomerName", 60), f.optional("CustomerAddr", 100)
	if print == "1" && (name == "" || address == "") {
		f.complain(CodeFieldMissing, "CustomerName and CustomerAddr are required with Print 1")
	}
	phone, email := f.optional("CustomerPhone", 20), f.optional("CustomerEmail", 80)
	if phone == "" && email == "" {
		f.complain(CodeFieldMissing, "CustomerPhone or CustomerEmail is required")
	}
	f.required("Donation", 1)
	f.required("TaxType", 1)
	f.required("InvType", 2)
	return s.items(f)
}

// items reads Items and returns the sum of ItemAmount.
func (s *Server) items(f *fields) float64 {
	var items []json.RawMessage
	if !f.present("Items") || json.Unmarshal(f.members["Items"], &items) != nil || len(items) == 0 || len(items) > 999 {
		f.complain(CodeFieldMissing, "Items must be 1 to 999 objects")
		return 0
	}
	sum := 0.0
	for _, text := range items {
		item := newFields(text)
		item.number("ItemSeq", false)
		item.required("ItemName", 500)
		item.number("ItemCount", true)
		item.required("ItemWord", 6)
		item.number("ItemPrice", true)
		item.optional("ItemTaxType", 1)
		sum += item.number("ItemAmount", true)
		item.optional("ItemRemark", 120)
		if a, ok := s.checked(item); !ok && f.refusal == nil {
			f.refusal = &a
		}
	}
	return sum
}
