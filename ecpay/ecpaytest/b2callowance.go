package ecpaytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// B2CAllowance is an allowance (折讓) of an issued B2C invoice, as Allowance or AllowanceByCollegiate would have left it.
type B2CAllowance struct {
	MerchantID  string // empty: the first merchant of the Config
	InvoiceNo   string // issued, and not voided
	AllowanceNo string // 16 digits; empty: the next number
	Amount      int    // 0: all that is left of the invoice
	Online      bool   // made by AllowanceByCollegiate; the buyer has agreed
	Pending     bool   // made by AllowanceByCollegiate; the buyer has not agreed yet
	Voided      bool   // already voided; not with Pending
}

// stateExpired is the state of an offer to which the buyer did not agree in time. The others are statePending, stateIssued,
// stateCancelled and stateVoided.
const stateExpired = "expired"

// b2cAllowance is one allowance, or the offer of one. Server.mu guards it. Times are by the calendar but for offeredAt.
type b2cAllowance struct {
	invoice               *issued
	number                string
	amount                int
	items                 json.RawMessage // as they came
	customer, mail, phone string

	state     string
	online    bool      // by AllowanceByCollegiate
	offered   time.Time // if online
	offeredAt time.Time // by the clock
	expires   time.Time // if online
	made      time.Time
	voidedAt  time.Time
	reason    string // of the void
}

// holds reports whether the amount is taken from the invoice. That of an offer is (recorded), until it is withdrawn
// (documented) or expires (inferred).
func (a *b2cAllowance) holds() bool { return a.state == statePending || a.state == stateIssued }

// exists reports whether queries show it: an offer is not shown (documented).
func (a *b2cAllowance) exists() bool { return a.state == stateIssued || a.state == stateVoided }

// remaining is what is left of the invoice.
func (i *issued) remaining() int {
	left := i.delayed.SalesAmount
	for _, a := range i.allowances {
		if a.holds() {
			left -= a.amount
		}
	}
	return left
}

// allowanceFields reads the fields that Allowance and AllowanceByCollegiate share, and finds the invoice. Documented: that
// AllowanceAmount is more than 0, and what is left of the invoice bounds it. Recorded: 2000018 for an unknown invoice,
// 2000042 for a voided one, 2000034 when less is left. That a wrong date is answered like an unknown number, and that items
// which do not add up are refused as in Issue, are our choice.
func (s *Server) allowanceFields(r request, notify ...string) (*b2cAllowance, answer) {
	f := r.data
	number, date := f.pattern("InvoiceNo", 10, invoiceNumber), f.day("InvoiceDate")
	how := f.oneOf("AllowanceNotify", notify...)
	a := &b2cAllowance{
		customer: f.optional("CustomerName", 60), mail: f.optional("NotifyMail", 100), phone: f.optional("NotifyPhone", 20),
		amount: f.wholeAmount("AllowanceAmount"),
	}
	switch {
	case a.mail == "" && (how == "E" || how == "A"):
		f.complain(CodeFieldMissing, "NotifyMail is required with AllowanceNotify %s", how)
	case a.phone == "" && (how == "S" || how == "A"):
		f.complain(CodeFieldMissing, "NotifyPhone is required with AllowanceNotify %s", how)
	case a.amount == 0:
		f.complain(CodeFieldFormat, "AllowanceAmount must be more than 0")
	}
	f.optional("Reason", 50)
	if sum := sumOf(s.items(f, "ItemTaxType")); int(math.Round(sum)) != a.amount {
		f.refuse(CodeAmountMismatch)
	}
	if refusal, ok := s.checked(f); !ok {
		return nil, refusal
	}
	a.items = f.members["Items"]
	switch a.invoice = r.merchant.issued[number]; {
	case a.invoice == nil || dateIn(a.invoice.created) != date:
		return nil, refuse(CodeAllowanceNoInvoice)
	case !a.invoice.voidedAt.IsZero():
		return nil, refuse(CodeAllowanceVoided)
	case a.amount > a.invoice.remaining():
		return nil, refuse(CodeAllowanceTooMuch)
	}
	return a, answer{}
}

// answer names the allowance, when it was made or offered, and what it leaves of the invoice.
func (a *b2cAllowance) answer(when ...member) answer {
	more := append(object{{"IA_Allow_No", a.number}, {"IA_Invoice_No", a.invoice.number}}, when...)
	return answer{code: CodeOK, msg: "折讓單資料新增成功", more: append(more, member{"IA_Remain_Allowance_Amt", a.invoice.remaining()})}
}

// noAllowance adds what a refusal says instead of an allowance. Documented: that it is empty; that it is null is our choice.
func noAllowance(a answer) answer {
	a.more = object{{"IA_Allow_No", nil}, {"IA_Invoice_No", nil}, {"IA_Remain_Allowance_Amt", nil}}
	return a
}

// addAllowance makes an allowance known, under the next number if it has none. The caller holds mu and has checked it.
func (s *Server) addAllowance(a *b2cAllowance, at time.Time) {
	today := s.calendar(at)
	s.allowed++
	a.number = cmp.Or(a.number, fmt.Sprintf("%s%08d", today.In(taipei).Format("20060102"), s.allowed))
	if a.online {
		a.offered, a.offeredAt, a.expires = today, at, today.Add(3*s.cfg.Day)
	}
	if a.state == statePending {
		s.offers = append(s.offers, a)
	} else {
		a.made = today
	}
	a.invoice.allowances = append(a.invoice.allowances, a)
	a.invoice.delayed.account.b2cAllowances[a.number] = a
}

// expireOffers ends the offers whose 72 hours (documented) are over. The caller holds mu.
func (s *Server) expireOffers(at time.Time) {
	today := s.calendar(at)
	for len(s.offers) > 0 && !s.offers[0].expires.After(today) {
		a := s.offers[0]
		s.offers = s.offers[1:]
		if a.state != statePending {
			continue // agreed to or withdrawn meanwhile
		}
		a.state = stateExpired
		when := a.expires.Add(-s.skipped)
		if when.Before(a.offeredAt) {
			when = a.offeredAt // Advance has jumped over it
		}
		s.effect(when, EffectAllowanceExpired, a.invoice.delayed.account, a.invoice.number, 0, a.number)
	}
}

// AgreeAllowance does what the buyer does who clicks on the link in the mail of AllowanceByCollegiate: the allowance comes
// into being. It fails for what is not pending. ReturnURL is not called.
func (s *Server) AgreeAllowance(merchantID, allowanceNo string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.account(&merchantID)
	if err != nil {
		return err
	}
	now := s.now()
	s.settle(now)
	a := m.b2cAllowances[allowanceNo]
	if a == nil || a.state != statePending {
		return fmt.Errorf("allowance %s: not pending", allowanceNo)
	}
	a.state, a.made = stateIssued, s.calendar(now)
	s.effect(now, EffectAllowanceIssued, m, a.invoice.number, 0, a.number)
	return nil
}

// StageB2CAllowance makes an allowance of an issued B2C invoice known. It is no effect. It fails on what Allowance would
// refuse.
func (s *Server) StageB2CAllowance(v B2CAllowance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.account(&v.MerchantID)
	if err != nil {
		return err
	}
	now := s.now()
	s.settle(now)
	i := m.issued[v.InvoiceNo]
	switch {
	case i == nil || !i.voidedAt.IsZero():
		return fmt.Errorf("allowance of %q: there is no such invoice that is not voided", v.InvoiceNo)
	case v.AllowanceNo != "" && !allowanceNumber.MatchString(v.AllowanceNo):
		return fmt.Errorf("allowance number %q: must be 16 digits", v.AllowanceNo)
	case v.AllowanceNo != "" && m.b2cAllowances[v.AllowanceNo] != nil:
		return fmt.Errorf("allowance number %s was used before", v.AllowanceNo)
	case v.Pending && v.Voided:
		return fmt.Errorf("allowance of %s: both Pending and Voided", v.InvoiceNo)
	}
	v.Amount = cmp.Or(v.Amount, i.remaining())
	if v.Amount <= 0 || v.Amount > i.remaining() {
		return fmt.Errorf("allowance of %s: Amount must be 1 to the %d that are left", v.InvoiceNo, i.remaining())
	}
	a := &b2cAllowance{
		invoice: i, number: v.AllowanceNo, amount: v.Amount, online: v.Online || v.Pending, state: stateIssued,
		items: mustJSON([]object{{
			{"ItemSeq", 1}, {"ItemName", "staged"}, {"ItemCount", 1}, {"ItemWord", "件"}, {"ItemPrice", v.Amount}, {"ItemAmount", v.Amount},
		}}),
	}
	if v.Pending {
		a.state = statePending
	}
	s.addAllowance(a, now)
	if v.Voided {
		a.state, a.voidedAt, a.reason = stateVoided, a.made, "staged"
	}
	return nil
}

// describe lists the members of an allowance in the types that were recorded: those of a list (documented), and those of
// GetAllowance. The tax is a twenty-first of the amount, as of an invoice with TaxType 1 (our choice).
func (a *b2cAllowance) describe() object {
	voided := "0"
	if a.state == stateVoided {
		voided = "1"
	}
	net := int(math.Round(float64(a.amount) / 1.05))
	return object{
		{"IA_Allow_No", a.number},
		{"IA_Check_Send_Mail", ""},
		{"IA_Date", a.made.In(taipei).Format(time.DateTime)},
		{"Items", a.items},
		{"IA_IP", ""},
		{"IA_Identifier", "0000000000"},
		{"IA_Invalid_Status", voided},
		{"IA_Invoice_Issue_Date", a.invoice.created.Format(time.DateTime)},
		{"IA_Invoice_No", a.invoice.number},
		{"IA_Mer_ID", merchantIDValue(a.invoice.delayed.MerchantID, true)},
		{"IA_Send_Mail", a.mail},
		{"IA_Send_Phone", a.phone},
		{"IA_Tax_Amount", a.amount - net},
		{"IA_Tax_Type", "1"},
		{"IA_Total_Amount", net},
		{"IA_Total_Tax_Amount", a.amount},
		{"IA_Upload_Date", ""},
		{"IA_Upload_Status", "0"},
		{"IIS_Customer_Name", a.customer},
	}
}
