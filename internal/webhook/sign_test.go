package webhook_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

// ofBytes is a secret of n bytes, the nth of which is in both alphabets of base64.
func ofBytes(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'k'}, n))
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	odd := bytes.Repeat([]byte{0xfb, 0xff}, 16) // + and / in base64
	for _, tt := range []struct {
		name, secret string
		ok           bool
	}{
		{"32 bytes", secret, true},
		{"24 bytes, the shortest", ofBytes(24), true},
		{"64 bytes, the longest", ofBytes(64), true},
		{"plus and slash", "whsec_" + base64.StdEncoding.EncodeToString(odd), true},

		{"empty", "", false},
		{"the prefix alone", "whsec_", false},
		{"no prefix", strings.TrimPrefix(secret, "whsec_"), false},
		{"another prefix", "whpk_" + strings.TrimPrefix(secret, "whsec_"), false},
		{"prefix in capitals", "WHSEC_" + strings.TrimPrefix(secret, "whsec_"), false},
		{"prefix twice", "whsec_" + secret, false},
		{"23 bytes", ofBytes(23), false},
		{"65 bytes", ofBytes(65), false},
		{"unpadded", strings.TrimRight(secret, "="), false},
		{"url-safe", "whsec_" + base64.URLEncoding.EncodeToString(odd), false},
		{"a line break inside", secret[:20] + "\n" + secret[20:], false},
		{"a carriage return at the end", secret + "\r", false},
		{"a space inside", secret[:20] + " " + secret[20:], false},
		{"bits after the end", secret[:len(secret)-2] + "Z=", false},
		{"no base64", "whsec_" + strings.Repeat("é", 20), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := webhook.ParseKey(tt.secret)
			if tt.ok != (err == nil) || err != nil && !errors.Is(err, webhook.ErrSecret) {
				t.Errorf("got %v", err)
			}
			if _, err := webhook.ParseKeys(tt.secret); tt.ok != (err == nil) && !strings.HasSuffix(tt.secret, "\r") {
				t.Errorf("as the only one: got %v", err)
			}
			if text := strings.TrimPrefix(tt.secret, "whsec_"); err != nil && len(text) > 4 && strings.Contains(err.Error(), text) {
				t.Errorf("%v repeats what was given", err)
			}
		})
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	a, b := secret, ofBytes(24)
	for _, tt := range []struct {
		name, text string
		want       int // 0 for an error
	}{
		{"one", a, 1},
		{"one and a line break", a + "\n", 1},
		{"two", a + "\n" + b, 2},
		{"two of Windows", a + "\r\n" + b + "\r\n", 2},
		{"two and empty lines", "\n" + a + "\n\n \t" + b + " \n\n", 2},
		{"four", a + "\n" + b + "\n" + a + "\n" + b, 4},
		{"five", strings.Repeat(a+"\n", 5), 0},
		{"none", "", 0},
		{"empty lines", "\n\r\n \n", 0},
		{"two in a line", a + " " + b, 0},
		{"a good one and a bad one", a + "\nwhsec_short", 0},
		{"a comment", "# mine\n" + a, 0},
		{"a mark of the order of bytes", "\ufeff" + a, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			keys, err := webhook.ParseKeys(tt.text)
			if len(keys) != tt.want || (err == nil) != (tt.want > 0) {
				t.Errorf("got %d and %v, want %d", len(keys), err, tt.want)
			}
		})
	}
}

func TestEachSecretVerifiesWhatIsSent(t *testing.T) {
	t.Parallel()
	second := ofBytes(64)
	keys, err := webhook.ParseKeys(secret + "\n" + second)
	if err != nil {
		t.Fatal(err)
	}
	verifiers := map[string]*standardwebhooks.Webhook{}
	for _, s := range []string{secret, second, ofBytes(32)} {
		if verifiers[s], err = standardwebhooks.NewWebhook(s); err != nil {
			t.Fatal(err)
		}
	}
	var want []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !bytes.Equal(body, want) {
			t.Errorf("got %q, want %q", body, want)
		}
		for s, v := range verifiers {
			if err := v.Verify(body, r.Header); (err == nil) != (s == secret || s == second) {
				t.Errorf("by a secret of %d characters: %v", len(s), err)
			}
			if err := v.Verify(append(body, ' '), r.Header); err == nil {
				t.Error("another body is verified")
			}
		}
		other := r.Header.Clone()
		other.Set("webhook-id", "out_2000132_18_1795000000123")
		if err := verifiers[secret].Verify(body, other); err == nil {
			t.Error("another id is verified")
		}
		w.Header().Set("Set-Cookie", "a=b")
	}))
	defer server.Close()
	e := endpointAt(t, server.URL, true)
	e.Secrets = keys
	s := webhook.NewSender(e, "test")
	defer s.Close()
	for _, text := range []string{`{"reason_zh":"發票號碼不足，請補 🧾"}`, "", "\x00\xff\xfe", strings.Repeat("字", 100_000)} {
		want = []byte(text)
		if a := s.Send(t.Context(), e, "out_2000132_17_1795000000123", want); a.Result != webhook.Delivered {
			t.Errorf("got %+v", a)
		}
	}
}
