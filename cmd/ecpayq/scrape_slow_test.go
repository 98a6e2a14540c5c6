//go:build slow

package main_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// The least of several scrapes is what one costs; the rest is other work of the machine.
func TestSlowAScrapeOfAThousandMerchantsTakesLessThan100Milliseconds(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes the worker slow")
	}
	const n, limit = 1000, 100 * time.Millisecond
	var accounts ecpaytest.Config
	var file, batch strings.Builder
	file.WriteString("merchants:\n")
	for i := range n {
		id := fmt.Sprint(1_000_001 + i)
		accounts.Merchants = append(accounts.Merchants,
			ecpaytest.Merchant{MerchantID: id, HashKey: ecpaytest.StageHashKey, HashIV: ecpaytest.StageHashIV})
		fmt.Fprintf(&file, "  - {merchant_id: %q, hash_key: %s, hash_iv: %s}\n", id, ecpaytest.StageHashKey, ecpaytest.StageHashIV)
		fmt.Fprintf(&batch,
			`{"type":"b2b:invalid","data":{"MerchantID":%q,"InvoiceNumber":"VG11000001","InvoiceDate":%q,"Reason":"訂單取消"}}`+"\n", id, invoiceDate)
	}
	b := newBenchOf(t, accounts, noMerchant)
	b.set(env{"ECPAYQ_CONFIG": writeFile(t, filepath.Join(t.TempDir(), "ecpayq.yaml"), file.String()), "ECPAYQ_LOG_LEVEL": "info"})
	b.fake.Inject(ecpaytest.Match{}, slices.Repeat([]ecpaytest.Fault{{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"}}, n)...)
	if r := b.run("enqueue", "batch", inFile(t, batch.String())); r.code != 0 {
		t.Fatalf("batch: %+v", r)
	}
	scrape := func(w *child) (body string, least time.Duration) {
		for range 20 {
			start := time.Now()
			_, body = w.get("/metrics")
			if took := time.Since(start); least == 0 || took < least {
				least = took
			}
		}
		return body, least
	}
	for _, byMerchant := range []bool{true, false} { // first the one that counts what it carries
		w := b.worker(env{"ECPAYQ_METRICS_BY_MERCHANT": fmt.Sprint(byMerchant)})
		b.eventually("each merchant is known and has a dead letter", func() bool {
			_, body := w.get("/metrics")
			return strings.Contains(body, "\necpayq_dead_letters 1000\n") && strings.Contains(body, "\necpayq_merchants{state=\"known\"} 1000\n")
		})
		body, took := scrape(w)
		t.Logf("by merchant: %v: a scrape takes %s and has %d lines", byMerchant, took.Round(100*time.Microsecond), strings.Count(body, "\n"))
		if took >= limit {
			t.Errorf("by merchant: %v: a scrape takes %s, want less than %s", byMerchant, took, limit)
		}
		letters, attempts := strings.Count(body, "\necpayq_merchant_dead_letters{"), strings.Count(body, "\necpayq_merchant_task_attempts_total{")
		if byMerchant && (letters != n+1 || attempts < n) || !byMerchant && strings.Contains(body, "merchant_id=") {
			t.Errorf("by merchant: %v: %d series of letters and %d of attempts", byMerchant, letters, attempts)
		}
		w.stop()
	}
}
