package ecpaytest

import (
	"fmt"
	"time"
)

// The public credentials of ECPay's stage environment, used when Config.Merchants is empty (documented).
const (
	StageMerchantID = "2000132"
	StageHashKey    = "ejCk326UnaZWKisg"
	StageHashIV     = "q9jcZX8Ib9LM8wYk"
)

// Config says whom the fake serves, by which clock, and how hostile it is. The zero value serves the public stage
// merchant by the system's clock, as hostile as it can be.
type Config struct {
	// Merchants are the accounts that exist. Empty means the public stage merchant alone, in exchange mode (交換).
	Merchants []Merchant

	// Now is the server's clock. It stamps the ledger, the answers and their HTTP Date header, and judges the window of
	// RqHeader.Timestamp. Defaults to time.Now.
	Now func() time.Time

	// Window is how old RqHeader.Timestamp may be (documented: 10 minutes). Defaults to 10 minutes.
	Window time.Duration

	// Future is how far RqHeader.Timestamp may lie ahead of the server's clock. What ECPay tolerates is unknown; a small
	// figure is our choice. Defaults to 2 minutes; negative means any future stamp is accepted.
	Future time.Duration

	// Day is the length of one DelayDay. Defaults to 24 hours; tests in real time may shorten it.
	Day time.Duration

	// MinInterval is the least time between two calls of one merchant. A closer call is answered with HTTP 403, and so is
	// every call of that merchant for BanFor after it (documented, but ECPay publishes no figure). Zero means no limit.
	MinInterval time.Duration

	// BanFor is how long a ban lasts (documented: wait 30 minutes). Calls during a ban do not prolong it (our choice).
	// Defaults to 30 minutes.
	BanFor time.Duration

	// RefuseRepeats makes the unknown kinder: a trigger of a scheduled or issued invoice, a second void and a second
	// confirm change nothing. The default, false, lets each of them have its effect again, so that a client's duplicates
	// become visible as duplicate effects.
	RefuseRepeats bool

	// AllowUnknownFields accepts fields in Data that the ECPay page of the operation does not list. The default, false,
	// refuses them with CodeUnknownField (our choice).
	AllowUnknownFields bool

	// AnyRevision accepts any RqHeader.Revision. The default, false, accepts none at all or the revision of ECPay's own
	// samples (3.0.0 for B2C, 1.0.0 for B2B) and refuses the rest with TransBadRevision (our choice).
	AnyRevision bool

	// TriggerOrderNumber makes TriggerIssue answer with OrderNumber, as the table of its page says, instead of Tsr, as its
	// example shows (documented, in both ways).
	TriggerOrderNumber bool

	// CancelCodeAsString makes CancelDelayIssue answer success with RtnCode "1", as the example of its page does
	// (documented), instead of 1, as the live service does (recorded).
	CancelCodeAsString bool

	// MerchantIDAsNumber makes every answer carry MerchantID as a JSON number, as B2B answers always do (recorded).
	MerchantIDAsNumber bool

	// Callback, when not nil, is called with what ECPay sends to a NotifyURL, by a goroutine of its own. Without it nothing is
	// sent, as on the stage host (documented). PostCallback sends it.
	Callback func(Callback)

	// MaxBody is the largest request body in bytes; a larger one gets HTTP 413 (our choice). Defaults to 1 MiB.
	MaxBody int64

	// MaxCalls bounds the ledgers: when one is full its older half is forgotten. Zero means that nothing is forgotten.
	MaxCalls int
}

// Merchant is one account.
type Merchant struct {
	MerchantID string
	HashKey    string // 16 bytes
	HashIV     string // 16 bytes

	// PlatformID is the platform this merchant is bound to. A request that names another platform is refused with
	// TransBadPlatform (our choice); one that names none is the merchant's own.
	PlatformID string

	// PlatformHashKey and PlatformHashIV encrypt the Data of requests that name PlatformID, and their answers. Which keys
	// ECPay wants for invoices is inferred, not documented. Empty means the merchant's own keys.
	PlatformHashKey string
	PlatformHashIV  string

	// B2CDisabled and B2BDisabled withhold a service: its calls get TransCode 115.
	B2CDisabled bool
	B2BDisabled bool

	// Archive puts the merchant in archive mode (存證): a B2B void is final at once, and confirms do not exist. The
	// default is exchange mode (交換), in which the counterparty confirms.
	Archive bool
}

// Validate reports the first thing that is wrong with c, or nil. New panics on what Validate reports.
func (c Config) Validate() error {
	seen := map[string]bool{}
	for i, m := range c.Merchants {
		switch {
		case m.MerchantID == "" || len(m.MerchantID) > 10:
			return fmt.Errorf("merchant %d: MerchantID must have 1 to 10 characters", i)
		case seen[m.MerchantID]:
			return fmt.Errorf("merchant %d: MerchantID %s is listed twice", i, m.MerchantID)
		case len(m.HashKey) != 16 || len(m.HashIV) != 16:
			return fmt.Errorf("merchant %s: HashKey and HashIV must have 16 bytes each", m.MerchantID)
		case m.PlatformHashKey != "" && (len(m.PlatformHashKey) != 16 || len(m.PlatformHashIV) != 16):
			return fmt.Errorf("merchant %s: PlatformHashKey and PlatformHashIV must have 16 bytes each", m.MerchantID)
		case m.PlatformHashKey != "" && m.PlatformID == "":
			return fmt.Errorf("merchant %s: PlatformHashKey without PlatformID", m.MerchantID)
		}
		seen[m.MerchantID] = true
	}
	return nil
}

// withDefaults returns a copy of c in which every zero is replaced by its default.
func (c Config) withDefaults() Config {
	if len(c.Merchants) == 0 {
		c.Merchants = []Merchant{{MerchantID: StageMerchantID, HashKey: StageHashKey, HashIV: StageHashIV}}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Window == 0 {
		c.Window = 10 * time.Minute
	}
	if c.Future == 0 {
		c.Future = 2 * time.Minute
	}
	if c.Day == 0 {
		c.Day = 24 * time.Hour
	}
	if c.BanFor == 0 {
		c.BanFor = 30 * time.Minute
	}
	if c.MaxBody == 0 {
		c.MaxBody = 1 << 20
	}
	return c
}

// taipei is the zone of every date in ECPay's e-invoice API. Taiwan has kept UTC+8 without summer time since 1980, so no
// zone database is needed.
var taipei = time.FixedZone("Asia/Taipei", 8*60*60)
