package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

// merchants is how many there are. All have the same keys, which changes nothing.
const merchants = 32

func merchantID(i int) string { return fmt.Sprintf("30%05d", i%merchants) }

// intent is what the i-th task asks for: an invoice that was staged at checkout
// is to be issued now.
func intent(i int) *tasks.TriggerIssue {
	tsr := subject(i)
	return &tasks.TriggerIssue{
		TriggerIssueRequest: ecpay.TriggerIssueRequest{MerchantID: merchantID(i), Tsr: tsr},
		Asking:              tasks.Asking{RelateNumber: tsr}, DelayDay: new(0),
	}
}

func subject(i int) string { return fmt.Sprintf("BENCH%08d", i) }

// startFake serves a fake ECPay in this process.
func startFake(order) (ready, func(), error) {
	var cfg ecpaytest.Config
	for i := range merchants {
		cfg.Merchants = append(cfg.Merchants, ecpaytest.Merchant{MerchantID: merchantID(i), HashKey: ecpaytest.StageHashKey, HashIV: ecpaytest.StageHashIV})
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
	At      time.Time `json:"at"`
	Subject string    `json:"subject"`
}

// control is ECPay's other side.
type control struct{ url string }

// maxStaged is how many invoices go into one request.
const maxStaged = 20_000

// stage makes the invoices of the first n intents known.
func (c control) stage(ctx context.Context, n int) error {
	for from := 0; from < n; from += maxStaged {
		type delayed struct{ MerchantID, Tsr string }
		var list []delayed
		for i := from; i < min(n, from+maxStaged); i++ {
			list = append(list, delayed{merchantID(i), subject(i)})
		}
		body, err := json.Marshal(map[string][]delayed{"delayed": list})
		if err != nil {
			return err
		}
		if err := c.do(ctx, http.MethodPost, "stage", body, nil); err != nil {
			return fmt.Errorf("stage invoices: %w", err)
		}
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

func (c control) do(ctx context.Context, method, path string, body []byte, into any) error {
	target, err := url.JoinPath(c.url, "_fake", path)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
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
	if len(seen) != want {
		return &WrongError{fmt.Sprintf("invoices for %d intents, want %d", len(seen), want)}
	}
	return nil
}
