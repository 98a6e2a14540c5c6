package docs_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
)

// webhookPages are equal but for the language of their words.
var webhookPages = []string{"docs/webhooks.md", "docs/webhooks.zh-TW.md"}

func TestTheWebhooksOfTheDocumentsAreAccepted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Concat(readmes, webhookPages) {
		files := readPage(t, name).blocksOf("yaml")
		if len(files) != 1 {
			t.Fatalf("%s has %d YAML files, want 1", name, len(files))
		}
		path := filepath.Join(dir, filepath.Base(name)+".yaml")
		if err := os.WriteFile(path, []byte(keyFile.ReplaceAllString(files[0].text, secret)), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := (&config.Config{File: path}).Webhooks(); err != nil || len(list) != 2 || list[0].Name != "shop" || list[1].Name != "erp" {
			t.Errorf("%s: got %d endpoints, %v", name, len(list), err)
		}
	}
}

func TestTheExampleOfAWebhookIsSignedByTheSecretBelowIt(t *testing.T) {
	t.Parallel()
	for _, name := range webhookPages {
		p := readPage(t, name)
		var secret string
		for _, m := range codeSpan.FindAllStringSubmatch(p.prose, -1) {
			if strings.HasPrefix(m[1], "whsec_") && len(m[1]) > len("whsec_") {
				secret = m[1]
			}
		}
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatalf("%s: %q: %v", name, secret, err)
		}
		head, body, _ := strings.Cut(p.blocksOf("http")[0].text, "\n\n")
		body, h := strings.TrimSuffix(body, "\n"), http.Header{}
		for line := range strings.Lines(head) {
			if field, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				h.Set(field, value)
			}
		}
		if err := verifier.VerifyIgnoringTimestamp([]byte(body), h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		at, err := strconv.ParseInt(h.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
		sent := time.Unix(at, 0).In(ecpay.Taipei).Format(time.DateTime)
		if err != nil || !strings.Contains(body, strings.Replace(sent, " ", "T", 1)) || h.Get("Content-Length") != strconv.Itoa(len(body)) {
			t.Errorf("%s: %v: %d bytes, sent at %s, with %v", name, err, len(body), sent, h)
		}
	}
}
