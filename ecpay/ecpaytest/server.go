package ecpaytest

import (
	"container/heap"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Server is the fake. It is an http.Handler for ECPay's paths and safe for concurrent use. It starts no goroutine of its
// own; late effects wait on timers that Close stops.
type Server struct {
	cfg    Config
	closed chan struct{}

	mu         sync.Mutex
	closeOnce  sync.Once
	generation int // counts resets; a request of an earlier one changes nothing any more
	merchants  map[string]*merchant
	allowances int             // B2B allowances so far
	scheduled  schedule        // delayed invoices whose time will come
	skipped    time.Duration   // how far Advance has moved the calendar beyond the clock
	minted     int             // B2C invoices so far, which gives the next its number
	offers     []*b2cAllowance // in the order in which they expire
	allowed    int             // B2C allowances so far, which gives the next its number
	calls      []*Call
	callSeq    int
	effects    []Effect
	scripts    []*script
	late       []*lateEffect
	pdfs       map[string][2]time.Time // the last two calls of DownloadB2BPdf by address
}

var _ http.Handler = (*Server)(nil)

// merchant is one account with all that ECPay knows about it. Server.mu guards it.
type merchant struct {
	Merchant
	own, platform keys

	delayed    map[string]*delayed // by Tsr
	relate     map[string]*delayed // by RelateNumber in upper case
	tsrs       map[string]bool     // in upper case
	issued     map[string]*issued  // by invoice number
	invoices   map[invoiceKey]*invoiceView
	allowances map[string]*allowanceView
	tracks     []*track
	tracked    map[string]bool // by InvoiceCategory: numbers come from tracks
	customers  map[string]bool // counterparties by 統一編號; false: deleted

	b2cAllowances map[string]*b2cAllowance // by allowance number

	lastCall    time.Time
	bannedUntil time.Time
}

// New returns a server for cfg. It panics if cfg does not pass its own Validate.
func New(cfg Config) *Server {
	if err := cfg.Validate(); err != nil {
		panic(fmt.Sprintf("ecpaytest: %v", err))
	}
	s := &Server{cfg: cfg.withDefaults(), closed: make(chan struct{})}
	s.Reset()
	return s
}

// Reset forgets everything but the Config: what was staged, both ledgers, faults, bans and late effects. Requests under
// way are answered, but change nothing.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.merchants = make(map[string]*merchant, len(s.cfg.Merchants))
	for _, m := range s.cfg.Merchants {
		s.merchants[m.MerchantID] = newMerchant(m)
	}
	s.stopLate()
	s.scheduled, s.skipped, s.minted, s.allowances, s.offers, s.allowed = nil, 0, 0, 0, nil, 0
	s.calls, s.callSeq, s.effects, s.scripts = nil, 0, nil, nil
	s.pdfs = map[string][2]time.Time{}
}

func newMerchant(m Merchant) *merchant {
	account := &merchant{
		Merchant:   m,
		own:        newKeys(m.HashKey, m.HashIV),
		delayed:    map[string]*delayed{},
		relate:     map[string]*delayed{},
		tsrs:       map[string]bool{},
		issued:     map[string]*issued{},
		invoices:   map[invoiceKey]*invoiceView{},
		allowances: map[string]*allowanceView{},
		customers:  map[string]bool{},
		tracked:    map[string]bool{},

		b2cAllowances: map[string]*b2cAllowance{},
	}
	account.platform = account.own
	if m.PlatformHashKey != "" {
		account.platform = newKeys(m.PlatformHashKey, m.PlatformHashIV)
	}
	return account
}

// Close ends hanging and delayed answers, and withdraws the late effects that have not landed yet. The server goes on
// answering other requests. Close may be called more than once.
func (s *Server) Close() {
	s.closeOnce.Do(func() { close(s.closed) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLate()
}

// IssueDue lets late effects land and issues the scheduled invoices whose time has come, and returns how many invoices
// that made. Every request, and every look at the effects, does the same first; a test needs it only to know the number.
func (s *Server) IssueDue() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.minted
	s.settle(s.now())
	return s.minted - before
}

// Advance moves the calendar of delayed invoices and of allowances forward by d, and does what IssueDue does. It leaves the clock that
// judges Timestamps alone, so that a client in real time can see an invoice issued that was scheduled for days ahead.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipped += d
	s.settle(s.now())
}

// now is the server's clock.
func (s *Server) now() time.Time { return s.cfg.Now() }

// calendar is the time by which delayed invoices fall due.
func (s *Server) calendar(at time.Time) time.Time { return at.Add(s.skipped) }

// settle brings the state up to a moment of the clock: late effects land, due invoices are issued and offers of
// allowances expire, in the order of the late effects. The caller holds mu.
func (s *Server) settle(at time.Time) {
	for len(s.late) > 0 && !s.late[0].due.After(at) {
		next := s.late[0]
		s.late = s.late[1:]
		next.timer.Stop()
		s.issueDue(next.due)
		s.expireOffers(next.due)
		s.land(next)
	}
	s.issueDue(at)
	s.expireOffers(at)
}

// issueDue issues what the calendar says is due at a moment of the clock. What finds no number waits for one. The caller holds
// mu.
func (s *Server) issueDue(at time.Time) {
	today := s.calendar(at)
	var waiting []slot
	for len(s.scheduled) > 0 && !s.scheduled[0].due.After(today) {
		slot := heap.Pop(&s.scheduled).(slot)
		d := slot.delayed
		if d.state != stateScheduled || !d.due.Equal(slot.due) {
			continue // cancelled, issued or rescheduled meanwhile
		}
		created, when := slot.due, slot.due.Add(-s.skipped)
		if when.Before(d.scheduledAt) {
			when = d.scheduledAt // Advance has jumped over it
		}
		if slot.waited {
			created, when = today, at
		}
		if !s.issue(d, created, when, 0) {
			if !slot.waited {
				s.callback(d, nil, at)
			}
			slot.waited = true
			waiting = append(waiting, slot)
		}
	}
	for _, slot := range waiting {
		heap.Push(&s.scheduled, slot)
	}
}

// schedule is a heap of the times at which scheduled invoices fall due.
type schedule []slot

type slot struct {
	due     time.Time
	delayed *delayed
	waited  bool // there was no number for it when it fell due
}

func (h schedule) Len() int           { return len(h) }
func (h schedule) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h schedule) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *schedule) Push(x any)        { *h = append(*h, x.(slot)) }
func (h *schedule) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
