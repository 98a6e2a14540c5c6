package ecpaytest

import (
	"strings"
	"testing"
)

func TestStagingRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		stage func(*Server) error
		want  string
	}{
		{"no Tsr", func(s *Server) error { return s.StageDelayed(Delayed{}) }, "1 to 30 characters"},
		{"foreign merchant", func(s *Server) error { return s.StageDelayed(Delayed{MerchantID: "9", Tsr: "T2"}) }, "not one of the fake's"},
		{"flag 3", func(s *Server) error { return s.StageDelayed(Delayed{Tsr: "T2", DelayFlag: "3"}) }, "DelayFlag"},
		{"flag 1 without delay", func(s *Server) error { return s.StageDelayed(Delayed{Tsr: "T2", DelayFlag: "1"}) }, "DelayDay"},
		{"16 days", func(s *Server) error { return s.StageDelayed(Delayed{Tsr: "T2", DelayDay: 16}) }, "DelayDay"},
		{"issued and cancelled", func(s *Server) error { return s.StageDelayed(Delayed{Tsr: "T2", Issued: true, Cancelled: true}) }, "both"},
		{"issued anew, not issued", func(s *Server) error { return s.StageDelayed(Delayed{Tsr: "T2", ReIssued: true}) }, "without Issued"},
		{"issued anew and voided", func(s *Server) error {
			return s.StageDelayed(Delayed{Tsr: "T2", Issued: true, ReIssued: true, Voided: true})
		}, "both"},
		{"Tsr again", func(s *Server) error { return s.StageDelayed(Delayed{Tsr: "t1", RelateNumber: "R2"}) }, "used before"},
		{"RelateNumber again", func(s *Server) error { return s.StageDelayed(Delayed{Tsr: "T2", RelateNumber: "t1"}) }, "used before"},
		{"invoice number", func(s *Server) error { return s.StageInvoice(Invoice{InvoiceNumber: "AB1"}) }, "two capitals"},
		{"invoice date", func(s *Server) error {
			return s.StageInvoice(Invoice{InvoiceNumber: number, InvoiceDate: "2026/03/10"})
		}, "yyyy-mm-dd"},
		{"invoice side", func(s *Server) error { return s.StageInvoice(Invoice{InvoiceNumber: number, Side: "left"}) }, "Side"},
		{"rejected and confirmed", func(s *Server) error {
			return s.StageInvoice(Invoice{InvoiceNumber: number, Rejected: true, IssueConfirmed: true})
		}, "Rejected"},
		{"counterparty", func(s *Server) error {
			return s.StageInvoice(Invoice{InvoiceNumber: number, Side: SideSales, Counterparty: "9"})
		}, "Counterparty"},
		{"invoice of a foreign merchant", func(s *Server) error { return s.StageInvoice(Invoice{MerchantID: "9"}) }, "not one of"},
		{"allowance number", func(s *Server) error { return s.StageAllowance(Allowance{AllowanceNo: "1"}) }, "16 digits"},
		{"allowance shape", func(s *Server) error {
			return s.StageAllowance(Allowance{AllowanceNo: "1909241702402030", RtnData: "list"})
		}, "no shape"},
		{"allowance side", func(s *Server) error {
			return s.StageAllowance(Allowance{AllowanceNo: "1909241702402030", Side: "left"})
		}, "Side"},
		{"allowance counterparty", func(s *Server) error {
			return s.StageAllowance(Allowance{AllowanceNo: "1909241702402030", Side: SideSales, Counterparty: "9"})
		}, "Counterparty"},
		{"B2C allowance of no invoice", func(s *Server) error { return s.StageB2CAllowance(B2CAllowance{}) }, "no such invoice"},
		{"B2C allowance of a foreign merchant", stageAllowanceOfOne(B2CAllowance{MerchantID: "9"}), "not one of"},
		{"B2C allowance number", stageAllowanceOfOne(B2CAllowance{AllowanceNo: "1"}), "16 digits"},
		{
			"B2C allowance number again",
			stageAllowanceOfOne(B2CAllowance{AllowanceNo: paperNo, Amount: 1}, B2CAllowance{AllowanceNo: paperNo}), "used before",
		},
		{"B2C allowance pending and voided", stageAllowanceOfOne(B2CAllowance{Pending: true, Voided: true}), "both"},
		{"B2C allowance of too much", stageAllowanceOfOne(B2CAllowance{Amount: 101}), "the 100 that are left"},
		{"B2C allowance of nothing", stageAllowanceOfOne(B2CAllowance{}, B2CAllowance{}), "the 0 that are left"},
		{"allowance of a foreign merchant", func(s *Server) error { return s.StageAllowance(Allowance{MerchantID: "9"}) }, "not one of"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := New(Config{})
			if err := s.StageDelayed(Delayed{Tsr: "T1"}); err != nil {
				t.Fatal(err)
			}
			if err := row.stage(s); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q in it", err, row.want)
			}
		})
	}
}

// stageAllowanceOfOne stages an invoice of 100 dollars and allowances of it.
func stageAllowanceOfOne(all ...B2CAllowance) func(*Server) error {
	return func(s *Server) error {
		err := s.StageDelayed(Delayed{Tsr: "ISSUED", Issued: true})
		for _, a := range all {
			if a.InvoiceNo = "FK00000001"; err == nil {
				err = s.StageB2CAllowance(a)
			}
		}
		return err
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := Merchant{MerchantID: "1", HashKey: StageHashKey, HashIV: StageHashIV}
	with := func(change func(*Merchant)) []Merchant {
		merchant := good
		change(&merchant)
		return []Merchant{merchant}
	}
	for _, row := range []struct {
		name      string
		merchants []Merchant
		want      string
	}{
		{"none", nil, ""},
		{"good", []Merchant{good}, ""},
		{"no MerchantID", with(func(m *Merchant) { m.MerchantID = "" }), "MerchantID"},
		{"twice", []Merchant{good, good}, "twice"},
		{"short key", with(func(m *Merchant) { m.HashKey = "x" }), "16 bytes"},
		{"short IV", with(func(m *Merchant) { m.HashIV = "x" }), "16 bytes"},
		{"short platform key", with(func(m *Merchant) { m.PlatformID, m.PlatformHashKey = "2", "x" }), "PlatformHashKey"},
		{"platform key without platform", with(func(m *Merchant) { m.PlatformHashKey, m.PlatformHashIV = m.HashKey, m.HashIV }), "without"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			err := Config{Merchants: row.merchants}.Validate()
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), StageHashKey) {
				t.Errorf("the key is in %q", err)
			}
		})
	}
}

func TestNewPanicsOnWhatValidateReports(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("want a panic")
		}
	}()
	New(Config{Merchants: []Merchant{{MerchantID: "1"}}})
}
