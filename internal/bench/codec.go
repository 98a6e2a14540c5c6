package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"runtime"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// bare is AES-CBC and base64 of as many bytes as the codec encrypts, and nothing
// else: no URL encoding, no padding to check, no JSON to recognise.
const bare = "AES-CBC and base64 alone"

// measureCodec measures the codec of Data with 300 bytes of JSON.
func measureCodec(ctx context.Context, l *lab) ([]Line, error) {
	codec, err := ecpay.NewCodec(ecpay.NewSecret(ecpaytest.StageHashKey), ecpay.NewSecret(ecpaytest.StageHashIV))
	if err != nil {
		return nil, err
	}
	text, err := dataOf(300)
	if err != nil {
		return nil, err
	}
	sealed := codec.Seal(text)
	block, err := aes.NewCipher([]byte(ecpaytest.StageHashKey))
	if err != nil {
		return nil, err
	}
	padded, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, err
	}
	iv := []byte(ecpaytest.StageHashIV)
	var failed error
	m, err := l.alternate(ctx, "",
		variant{ours, func(context.Context) (map[string]float64, error) {
			return l.timed(map[string]func(){
				"seal": func() { codec.Seal(text) },
				"open": func() {
					if _, err := codec.Open(sealed); err != nil {
						failed = err
					}
				},
			}), failed
		}},
		variant{bare, func(context.Context) (map[string]float64, error) {
			return l.timed(map[string]func(){
				"seal": func() {
					buf := make([]byte, len(padded))
					cipher.NewCBCEncrypter(block, iv).CryptBlocks(buf, padded)
					base64.StdEncoding.EncodeToString(buf)
				},
				"open": func() {
					buf, err := base64.StdEncoding.DecodeString(sealed)
					if err != nil {
						failed = err
						return
					}
					cipher.NewCBCDecrypter(block, iv).CryptBlocks(buf, buf)
				},
			}), failed
		}},
	)
	if err != nil {
		return nil, err
	}
	return []Line{
		m.line("seal", "Seal of 300 bytes", "/s", atLeast(0.5).times(bare)),
		m.line("open", "Open of the same", "/s", atLeast(0.5).times(bare)),
		m.line("seal allocations", "Seal", "allocations", atMost(4)),
		m.line("open allocations", "Open", "allocations", atMost(4)),
	}, nil
}

// dataOf returns a JSON text of n bytes as ECPay gets it: mostly ASCII, with some
// Chinese, which URL encoding makes nine times as long in characters.
func dataOf(n int) ([]byte, error) {
	req := ecpay.B2BInvalidRequest{MerchantID: ecpaytest.StageMerchantID,
		InvoiceNumber: "VG11000002", InvoiceDate: "2026-11-02", Reason: "訂單取消"}
	text, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	req.Remark = strings.Repeat("r", n-len(text)-len(`,"Remark":""`))
	return json.Marshal(req)
}

// timed measures each function: how often a second, and how many allocations.
func (l *lab) timed(functions map[string]func()) map[string]float64 {
	out := map[string]float64{}
	for name, f := range functions {
		f()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		for range l.sizes.codec {
			f()
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		out[name] = float64(l.sizes.codec) / took.Seconds()
		out[name+" allocations"] = float64((after.Mallocs - before.Mallocs) / uint64(l.sizes.codec))
	}
	return out
}
