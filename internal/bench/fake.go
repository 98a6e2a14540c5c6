package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

// merchants is how many there are. All have the same keys, which changes nothing.
const merchants = 101

func merchantID(i int) string { return fmt.Sprintf("30%05d", i%merchants) }

// intent is what the i-th task asks for: an invoice that was staged at checkout
// is to be issued now.
func intent(i int) *tasks.B2CTriggerIssue {
	tsr := subject(i)
	return &tasks.B2CTriggerIssue{
		MerchantID: merchantID(i), Tsr: tsr,
		RelateNumber: tsr, DelayDay: new(0),
	}
}

func subject(i int) string { return fmt.Sprintf("BENCH%08d", i) }

// startFake serves a fake ECPay in this process.
func startFake(order) (ready, func(), error) {
	var cfg ecpaytest.Config
	for i := range merchants {
		cfg.Merchants = append(cfg.Merchants,
			ecpaytest.Merchant{MerchantID: merchantID(i), HashKey: ecpaytest.StageHashKey, HashIV: ecpaytest.StageHashIV})
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return ready{}, nil, err
	}
	fake := ecpaytest.New(cfg)
	mux := http.NewServeMux()
	mux.Handle("/", fake)
	mux.Handle("/_fake/", fake.Control())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(ln) }() // ends with Close
	stop := func() {
		fake.Close()
		_ = server.Close()
	}
	return ready{URL: "http://" + ln.Addr().String()}, stop, nil
}

// effect is one line of ECPay's ledger of what it did.
type effect struct {
	At         time.Time `json:"at"`
	Name       string    `json:"name"`
	MerchantID string    `json:"merchant_id"`
	Subject    string    `json:"subject"`
}

// call is one line of ECPay's ledger of what it was asked.
type call struct {
	At         time.Time `json:"at"`
	MerchantID string    `json:"merchant_id"`
	Subject    string    `json:"subject"`
}

// of is which intent of a merchant the n-th is: the intents go round the merchants.
func of(merchant, n int) int { return n*merchants + merchant }

// backlog is the first n intents of the first merchant, ofOthers of all others in turn.
func backlog(n int) iter.Seq[int]  { return intents(n, func(k int) int { return of(0, k) }) }
func ofOthers(n int) iter.Seq[int] { return intents(n, other) }

func intents(n int, which func(k int) int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for k := 0; k < n && yield(which(k)); k++ {
		}
	}
}

// both is what comes in one and then in the other.
func both(a, b iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		more := true
		a(func(i int) bool { more = yield(i); return more })
		if more {
			b(yield)
		}
	}
}

// control is ECPay's other side.
type control struct{ url string }

// maxStaged is how many invoices go into one request.
const maxStaged = 20_000

// stage makes the invoices of the first n intents known.
func (c control) stage(ctx context.Context, n int) error {
	return c.stageAll(ctx, intents(n, func(k int) int { return k }))
}

// stageAll makes the invoices of intents known.
func (c control) stageAll(ctx context.Context, list iter.Seq[int]) error {
	type delayed struct{ MerchantID, Tsr string }
	var invoices []delayed
	send := func() error {
		body, err := json.Marshal(map[string][]delayed{"delayed": invoices})
		if err != nil {
			return err
		}
		invoices = invoices[:0]
		if err := c.do(ctx, http.MethodPost, "stage", body, nil); err != nil {
			return fmt.Errorf("stage invoices: %w", err)
		}
		return nil
	}
	for i := range list {
		if invoices = append(invoices, delayed{merchantID(i), subject(i)}); len(invoices) == maxStaged {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(invoices) == 0 {
		return nil
	}
	return send()
}

// fault makes ECPay answer a merchant in another way for ever, or for a time.
func (c control) fault(ctx context.Context, merchant int, fault map[string]any) error {
	body, err := json.Marshal(map[string]any{"match": map[string]string{"merchant_id": merchantID(merchant)}, "faults": fault})
	if err != nil {
		return err
	}
	if err := c.do(ctx, http.MethodPost, "faults", body, nil); err != nil {
		return fmt.Errorf("inject a fault: %w", err)
	}
	return nil
}

// effects returns what ECPay did.
func (c control) effects(ctx context.Context) ([]effect, error) {
	var answer struct{ Effects []effect }
	err := c.do(ctx, http.MethodGet, "effects", nil, &answer)
	return answer.Effects, err
}

// calls returns what ECPay was asked.
func (c control) calls(ctx context.Context) ([]call, error) {
	var answer struct{ Calls []call }
	err := c.do(ctx, http.MethodGet, "calls", nil, &answer)
	return answer.Calls, err
}

// callsOf returns what ECPay was asked of a merchant.
func (c control) callsOf(ctx context.Context, merchant int) ([]call, error) {
	var answer struct{ Calls []call }
	err := c.do(ctx, http.MethodGet, "calls?merchant_id="+merchantID(merchant), nil, &answer)
	return answer.Calls, err
}

// momentsOf returns when ECPay was asked of a merchant, the earliest first.
func (c control) momentsOf(ctx context.Context, merchant int) ([]time.Time, error) {
	calls, err := c.callsOf(ctx, merchant)
	if err != nil {
		return nil, err
	}
	at := make([]time.Time, len(calls))
	for i, c := range calls {
		at[i] = c.At
	}
	slices.SortFunc(at, time.Time.Compare)
	return at, nil
}

func (c control) do(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+"/_fake/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", resp.Status, text)
	case into == nil:
		return nil
	}
	return json.Unmarshal(text, into)
}

// WrongError says that ECPay's ledger is not as it must be.
type WrongError struct{ What string }

// Error implements error.
func (e *WrongError) Error() string { return "the ledger of ECPay is wrong: " + e.What }

// check demands one effect for each of want intents, whichever they are, and no
// other effect.
func check(effects []effect, want int) error {
	if err := once(effects); err != nil {
		return err
	}
	if len(effects) != want {
		return &WrongError{fmt.Sprintf("invoices for %d intents, want %d", len(effects), want)}
	}
	return nil
}

// once demands that no intent had its effect twice, and that there was no other.
func once(effects []effect) error {
	seen := make(map[string]int, len(effects))
	for _, e := range effects {
		if e.Name != ecpaytest.EffectIssued {
			return &WrongError{fmt.Sprintf("%s on %s, where only invoices were wanted", e.Name, e.Subject)}
		}
		key := e.MerchantID + "/" + e.Subject
		if seen[key]++; seen[key] > 1 {
			return &WrongError{fmt.Sprintf("%d invoices for %s", seen[key], key)}
		}
	}
	return nil
}
