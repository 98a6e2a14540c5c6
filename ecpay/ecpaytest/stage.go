package ecpaytest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Delayed is a delayed B2C invoice (延遲開立) as DelayIssue would have left it.
type Delayed struct {
	MerchantID   string // empty: the first merchant of the Config
	Tsr          string // up to 30 characters, unique for ever
	RelateNumber string // empty: the same as Tsr
	DelayFlag    string // "1" issued automatically after DelayDay, "2" waits for a trigger; empty: "2"
	DelayDay     int    // 1 to 15 for flag "1", 0 to 15 for flag "2"
	SalesAmount  int    // 0: 100
	NotifyURL    string // where a callback goes, see Config.Callback
	InvType      string // "07" or "08", by which a track has its number; empty: "07"
	Issued       bool   // already issued, as from the back office
	Cancelled    bool   // already cancelled
	Voided       bool   // the invoice is voided too; needs Issued
	ReIssued     bool   // voided and issued anew, not uploaded since; needs Issued
	Paperless    bool   // it has a carrier or is donated, and cannot be printed
	InvoiceNo    string // needs Issued; empty: the next number
	InvoiceDate  string // yyyy-mm-dd in Taipei, needs Issued; empty: today
}

// The sides of Invoice.Side.
const (
	SideBoth     = ""
	SideSales    = "sales"
	SidePurchase = "purchase"
)

// Invoice is a B2B invoice. Staging one with the same merchant, number and date replaces the earlier one.
type Invoice struct {
	MerchantID    string // empty: the first merchant of the Config
	InvoiceNumber string // 10 characters
	InvoiceDate   string // yyyy-mm-dd in Taipei; empty: today
	RelateNumber  string // empty: "R" and the number

	// Side is the merchant's part in it. SideSales: it may void, and queries find it under InvoiceCategory 0.
	// SidePurchase: it may confirm a void, and queries find it under 1. SideBoth, the zero value, allows both, as for a
	// merchant that trades with itself on the stage host.
	Side string
	// Counterparty is another merchant of the fake that sees the same invoice from the other side. It needs a Side.
	Counterparty string

	SellerIdentifier string // 統編; empty: 23165448
	BuyerIdentifier  string // empty: 24549210
	SalesAmount      int    // 0: 100

	IssueConfirmed  bool // the buyer has confirmed the issue
	Rejected        bool // the buyer has rejected it; neither confirmed nor voided
	RejectConfirmed bool // the seller has confirmed that, too; implies Rejected

	Voided       bool   // already voided: awaits the confirm in exchange mode, is final in archive mode
	Confirmed    bool   // the void is confirmed too; implies Voided
	UploadStatus string // of the void: "" (the default), "0", "1" or "2"
}

// RtnDataShape is how GetAllowanceConfirm presents RtnData. Its page says String, its example shows an object, and what
// the live service sends is unknown.
type RtnDataShape string

// The shapes of RtnData.
const (
	ShapeObject RtnDataShape = ""       // a JSON object
	ShapeString RtnDataShape = "string" // a JSON string that holds the object's text
	ShapeEmpty  RtnDataShape = "empty"  // ""
	ShapeNull   RtnDataShape = "null"   // null
)

// Allowance is a B2B allowance (折讓). Staging one with the same merchant and number replaces the earlier one, which is
// also how a test confirms it.
type Allowance struct {
	MerchantID       string // empty: the first merchant of the Config
	AllowanceNo      string // 16 digits
	AllowanceDate    string // yyyy-mm-dd; empty: today in Taipei
	ConfirmDate      string // empty: not confirmed
	UploadStatus     string // "", "0" not uploaded, "1" uploaded, "2" failed
	UploadDate       string
	ConfirmRemark    string
	SellerIdentifier string // empty: 23165448
	BuyerIdentifier  string
	RtnData          RtnDataShape // of every query about it

	TotalAmount int // without tax
	TaxAmount   int

	Side         string // of the merchant, as in Invoice
	Counterparty string // another merchant of the fake that sees the same allowance from the other side; needs a Side

	Cancelled       bool   // CancelAllowance has voided it
	CancelledBy     string // the side that did, which does not confirm that; empty: either side confirms
	CancelConfirmed bool   // the other side has confirmed it; implies Cancelled
}

// StageDelayed makes a delayed invoice known. It is no effect. It fails on what DelayIssue would refuse, a Tsr or
// RelateNumber that was used before included.
func (s *Server) StageDelayed(d Delayed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.account(&d.MerchantID)
	if err != nil {
		return err
	}
	d.DelayFlag = cmp.Or(d.DelayFlag, "2")
	d.RelateNumber = cmp.Or(d.RelateNumber, d.Tsr)
	d.SalesAmount, d.InvType = cmp.Or(d.SalesAmount, 100), cmp.Or(d.InvType, "07")
	switch {
	case d.Tsr == "" || len(d.Tsr) > 30:
		return fmt.Errorf("tsr %q: must have 1 to 30 characters", d.Tsr)
	case d.DelayFlag != "1" && d.DelayFlag != "2":
		return fmt.Errorf(`tsr %s: DelayFlag must be "1" or "2"`, d.Tsr)
	case d.DelayDay < 0 || d.DelayDay > 15 || d.DelayFlag == "1" && d.DelayDay == 0:
		return fmt.Errorf("tsr %s: DelayDay must be 1 to 15 for flag 1, 0 to 15 for flag 2", d.Tsr)
	case (d.Voided || d.ReIssued) && !d.Issued:
		return fmt.Errorf("tsr %s: Voided or ReIssued without Issued", d.Tsr)
	case d.Voided && d.ReIssued:
		return fmt.Errorf("tsr %s: both Voided and ReIssued", d.Tsr)
	case d.Issued && d.Cancelled:
		return fmt.Errorf("tsr %s: both Issued and Cancelled", d.Tsr)
	case !d.Issued && d.InvoiceNo+d.InvoiceDate != "":
		return fmt.Errorf("tsr %s: InvoiceNo or InvoiceDate without Issued", d.Tsr)
	case d.InvoiceNo != "" && !invoiceNumber.MatchString(d.InvoiceNo):
		return fmt.Errorf("tsr %s: InvoiceNo %q must be two capitals and eight digits", d.Tsr, d.InvoiceNo)
	case d.InvoiceNo != "" && m.issued[d.InvoiceNo] != nil:
		return fmt.Errorf("tsr %s: InvoiceNo %s was used before", d.Tsr, d.InvoiceNo)
	case d.InvoiceDate != "" && !validDate(d.InvoiceDate):
		return fmt.Errorf("tsr %s: InvoiceDate %q must be yyyy-mm-dd", d.Tsr, d.InvoiceDate)
	case m.tsrs[strings.ToUpper(d.Tsr)]:
		return fmt.Errorf("tsr %s was used before", d.Tsr)
	case m.relate[strings.ToUpper(d.RelateNumber)] != nil:
		return fmt.Errorf("tsr %s: RelateNumber %s was used before", d.Tsr, d.RelateNumber)
	}
	s.addDelayed(m, d, s.now())
	return nil
}

// StageInvoice makes a B2B invoice known. It is no effect.
func (s *Server) StageInvoice(i Invoice) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.account(&i.MerchantID)
	if err != nil {
		return err
	}
	now := s.now()
	i.InvoiceDate = cmp.Or(i.InvoiceDate, dateIn(now))
	i.RelateNumber = cmp.Or(i.RelateNumber, "R"+i.InvoiceNumber)
	i.SellerIdentifier = cmp.Or(i.SellerIdentifier, "23165448")
	i.BuyerIdentifier = cmp.Or(i.BuyerIdentifier, "24549210")
	i.SalesAmount = cmp.Or(i.SalesAmount, 100)
	other := otherSide(i.Side)
	switch {
	case !invoiceNumber.MatchString(i.InvoiceNumber):
		return fmt.Errorf("invoice number %q: must be two capitals and eight digits", i.InvoiceNumber)
	case !validDate(i.InvoiceDate):
		return fmt.Errorf("invoice %s: InvoiceDate %q must be yyyy-mm-dd", i.InvoiceNumber, i.InvoiceDate)
	case (i.Rejected || i.RejectConfirmed) && (i.IssueConfirmed || i.Voided || i.Confirmed):
		return fmt.Errorf("invoice %s: Rejected goes with neither IssueConfirmed, Voided nor Confirmed", i.InvoiceNumber)
	case i.Side != SideBoth && other == "":
		return fmt.Errorf("invoice %s: Side must be empty, %q or %q", i.InvoiceNumber, SideSales, SidePurchase)
	case i.Counterparty != "" && (s.merchants[i.Counterparty] == nil || i.Counterparty == i.MerchantID || other == ""):
		return fmt.Errorf("invoice %s: Counterparty must be another merchant of the fake, and needs a Side", i.InvoiceNumber)
	}
	day, _ := time.ParseInLocation(time.DateOnly, i.InvoiceDate, taipei) // checked
	inv := &b2bInvoice{Invoice: i, state: stateValid, taxAmount: (i.SalesAmount + 10) / 20, random: "0000", issuedAt: day}
	if i.IssueConfirmed {
		inv.state, inv.issueConfirm = stateConfirmed, deed{at: now}
	}
	if i.Rejected || i.RejectConfirmed {
		inv.state, inv.reject = stateRejected, deed{now, "staged", ""}
	}
	if i.RejectConfirmed {
		inv.state, inv.rejectConfirm = stateRejectConfirmed, deed{at: now}
	}
	if i.Voided || i.Confirmed {
		inv.state, inv.void = stateAwaitingConfirm, deed{now, "staged", ""}
		if m.Archive {
			inv.state = stateVoided
		}
	}
	if i.Confirmed {
		inv.state, inv.voidConfirm = stateVoidConfirmed, deed{at: now}
	}
	key := invoiceKey{i.InvoiceNumber, i.InvoiceDate}
	m.invoices[key] = &invoiceView{side: i.Side, invoice: inv}
	if i.Counterparty != "" {
		s.merchants[i.Counterparty].invoices[key] = &invoiceView{side: other, invoice: inv}
	}
	return nil
}

// StageAllowance makes a B2B allowance known. It is no effect.
func (s *Server) StageAllowance(a Allowance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.account(&a.MerchantID)
	if err != nil {
		return err
	}
	a.AllowanceDate = cmp.Or(a.AllowanceDate, dateIn(s.now()))
	a.SellerIdentifier = cmp.Or(a.SellerIdentifier, "23165448")
	switch {
	case !allowanceNumber.MatchString(a.AllowanceNo):
		return fmt.Errorf("allowance number %q: must be 16 digits", a.AllowanceNo)
	case !slices.Contains([]RtnDataShape{ShapeObject, ShapeString, ShapeEmpty, ShapeNull}, a.RtnData):
		return fmt.Errorf("allowance %s: RtnData %q is no shape", a.AllowanceNo, a.RtnData)
	case a.Side != SideBoth && otherSide(a.Side) == "":
		return fmt.Errorf("allowance %s: Side must be empty, %q or %q", a.AllowanceNo, SideSales, SidePurchase)
	case a.Counterparty != "" && (s.merchants[a.Counterparty] == nil || a.Counterparty == a.MerchantID || a.Side == SideBoth):
		return fmt.Errorf("allowance %s: Counterparty must be another merchant of the fake, and needs a Side", a.AllowanceNo)
	}
	al := &b2bAllowance{Allowance: a, state: stateUnconfirmed}
	if a.ConfirmDate != "" {
		al.state = stateAllowanceConfirmed
	}
	if a.Cancelled || a.CancelConfirmed {
		al.state, al.cancel, al.cancelledBy = stateAllowanceCancelled, deed{s.now(), "staged", ""}, a.CancelledBy
	}
	if a.CancelConfirmed {
		al.state, al.cancelConfirm = stateCancelConfirmed, deed{at: s.now()}
	}
	m.allowances[a.AllowanceNo] = &allowanceView{side: a.Side, allowance: al}
	if a.Counterparty != "" {
		s.merchants[a.Counterparty].allowances[a.AllowanceNo] = &allowanceView{side: otherSide(a.Side), allowance: al}
	}
	return nil
}

// otherSide is the side of the counterparty; SideBoth has none.
func otherSide(side string) string {
	return map[string]string{SideSales: SidePurchase, SidePurchase: SideSales}[side]
}

// State reports what has become of a Tsr ("pending", "scheduled", "issued", "cancelled"), of the RelateNumber of a B2C Issue
// ("issued"), of a B2B invoice number ("valid", "confirmed", "rejected", "reject_confirmed", "awaiting_confirm", "voided",
// "void_confirmed"), of a B2B allowance number ("unconfirmed", "confirmed", "cancelled", "cancel_confirmed") or of a B2C one
// ("pending", "issued", "voided", "cancelled", "expired"), or "" if the merchant has none of that name. Of invoices with the
// same number it reports the one with the latest date.
func (s *Server) State(merchantID, subject string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	m := s.merchants[merchantID]
	if m == nil {
		return ""
	}
	if d := m.delayed[subject]; d != nil {
		return d.state
	}
	if d := m.relate[strings.ToUpper(subject)]; d != nil && d.Tsr == "" {
		return d.state
	}
	if view := m.allowances[subject]; view != nil {
		return view.allowance.state
	}
	if a := m.b2cAllowances[subject]; a != nil {
		return a.state
	}
	if view := m.latestInvoice(subject); view != nil {
		return view.invoice.state
	}
	return ""
}

// account returns the merchant that is meant, and fills in the first one for "". The caller holds mu.
func (s *Server) account(id *string) (*merchant, error) {
	*id = cmp.Or(*id, s.cfg.Merchants[0].MerchantID)
	m := s.merchants[*id]
	if m == nil {
		return nil, fmt.Errorf("merchant %q is not one of the fake's", *id)
	}
	return m, nil
}
