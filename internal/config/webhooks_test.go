package config_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

// hookSecret has 32 bytes.
const hookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// hooks reads the webhooks of a YAML text, in which SECRET is the file of a secret.
func hooks(t *testing.T, text, secrets string) (with, without []webhook.Endpoint, err error) {
	t.Helper()
	text = strings.ReplaceAll(text, "SECRET", write(t, "secret", secrets))
	c := mustParse(t, map[string]string{"ECPAYQ_CONFIG": write(t, "ecpayq.yaml", text)})
	if with, err = c.Webhooks(); err != nil {
		return nil, nil, err
	}
	without, err = c.WebhookNames()
	return with, without, err
}

func TestTheYAMLHoldsWebhooks(t *testing.T) {
	t.Parallel()
	with, without, err := hooks(t, `
webhooks:
  - name: shop
    url: https://shop.example/ecpayq?word=1
    secret_file: SECRET
    merchants: ["*"]
  - name: Other_1.a-b
    url: http://localhost:8080/
    secret_file: SECRET
    merchants: ["2000132", "3002599"]
    states: [done, dead, resolved, cancelled, stopped, issued]
    types: ["b2c:trigger_issue", "b2b:invalid"]
    allow_private: true
    in_flight: 100
    interval: 250ms
`, hookSecret+"\r\n"+hookSecret+"\r\n")
	if err != nil || len(with) != 2 || len(without) != 2 {
		t.Fatalf("got %d, %d and %v", len(with), len(without), err)
	}
	for i, e := range with {
		if len(e.Secrets) != 2 || len(without[i].Secrets) != 0 {
			t.Errorf("%s has %d secrets, and %d without", e.Name, len(e.Secrets), len(without[i].Secrets))
		}
		if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, "0123456789abcdef") || strings.Contains(text, hookSecret[6:]) {
			t.Errorf("%s shows its secret", e.Name)
		}
	}
	type plain struct {
		Name, URL, Host          string
		Merchants, States, Types []string
		AllowPrivate             bool
		InFlight                 int
		Interval                 time.Duration
	}
	var got []plain
	for _, e := range without {
		got = append(got, plain{e.Name, e.URL.String(), e.Host(), e.Merchants, e.States, e.Types, e.AllowPrivate, e.InFlight, e.Interval})
	}
	if diff := cmp.Diff([]plain{
		{Name: "shop", URL: "https://shop.example/ecpayq?word=1", Host: "https://shop.example", Merchants: []string{"*"}},
		{
			"Other_1.a-b", "http://localhost:8080/", "http://localhost:8080", []string{"2000132", "3002599"},
			[]string{"done", "dead", "resolved", "cancelled", "stopped", "issued"}, []string{"b2c:trigger_issue", "b2b:invalid"},
			true, 100, 250 * time.Millisecond,
		},
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if with, _, err := hooks(t, "merchants: []\n", ""); err != nil || len(with) != 0 {
		t.Errorf("without webhooks: %d, %v", len(with), err)
	}
}

func TestWhatIsWrongWithWebhooks(t *testing.T) {
	t.Parallel()
	const good = "  - {name: shop, url: \"https://shop.example/hidden\", secret_file: SECRET, merchants: [\"*\"]}\n"
	with := func(old, text string) string { return "webhooks:\n" + strings.Replace(good, old, text, 1) }
	many := "webhooks:\n"
	for i := range webhook.MaxEndpoints + 1 {
		many += strings.Replace(good, "shop,", fmt.Sprintf("shop%d,", i), 1)
	}
	if _, _, err := hooks(t, "webhooks:\n"+good, hookSecret); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, secrets, want string }{
		{"no name", with("name: shop, ", ""), hookSecret, "endpoint 1: name must be"},
		{"a name with a space", with("shop,", `"a b",`), hookSecret, "name must be"},
		{"a name with a brace", with("shop,", `"{a}",`), hookSecret, "name must be"},
		{"a name that is too long", with("shop,", strings.Repeat("a", 65)+","), hookSecret, "name must be"},
		{"a name with a line break", with("shop,", `"a\n",`), hookSecret, "name must be"},
		{"a name twice", "webhooks:\n" + good + good, hookSecret, "two have this name"},
		{"too many", many, hookSecret, "at most 32"},
		{"an unknown field", with("name:", "nam:"), hookSecret, "nam"},
		{"no url", with(`url: "https://shop.example/hidden", `, ""), hookSecret, "endpoint shop: url must begin"},
		{"http", with("https:", "http:"), hookSecret, "allow_private: true"},
		{"http of a name", with(`url: "https:`, `allow_private: true, url: "http:`), hookSecret, "localhost"},
		{"a private address", with("shop.example", "10.0.0.1"), hookSecret, "allow_private: true"},
		{"metadata", with(`url: "https://shop.example`, `allow_private: true, url: "https://169.254.169.254`), hookSecret, "link-local"},
		{"no secret_file", with("secret_file: SECRET, ", ""), hookSecret, "secret_file is missing"},
		{"a secret in the file itself", with("SECRET", hookSecret), hookSecret, "secret_file"},
		{"no such file", with("SECRET", filepath.Join(t.TempDir(), "none")), hookSecret, "secret_file"},
		{"an empty secret", "webhooks:\n" + good, "\n", "is empty"},
		{"a bad secret", "webhooks:\n" + good, "hidden-word", "whsec_"},
		{"a short secret", "webhooks:\n" + good, "whsec_aGlkZGVu", "24 to 64"},
		{"five secrets", "webhooks:\n" + good, strings.Repeat(hookSecret+"\n", 5), "more than 4"},
		{"no merchants", with(`, merchants: ["*"]`, ""), hookSecret, "merchants is missing"},
		{"all and one", with(`["*"]`, `["*", "2000132"]`), hookSecret, "alone"},
		{"a merchant that is none", with(`["*"]`, `["20001-32"]`), hookSecret, "1 to 10"},
		{"an empty merchant", with(`["*"]`, `[""]`), hookSecret, "1 to 10"},
		{"a state that is none", with("merchants", "states: [open], merchants"), hookSecret, `states has "open"`},
		{"a type that is none", with("merchants", "types: [webhook:deliver], merchants"), hookSecret, "no task type"},
		{"in_flight that is negative", with("merchants", "in_flight: -1, merchants"), hookSecret, "in_flight"},
		{"in_flight that is too many", with("merchants", "in_flight: 101, merchants"), hookSecret, "in_flight is 101"},
		{"in_flight that is no number", with("merchants", "in_flight: many, merchants"), hookSecret, "in_flight"},
		{"a negative interval", with("merchants", "interval: -1s, merchants"), hookSecret, "interval"},
		{"a long interval", with("merchants", "interval: 61s, merchants"), hookSecret, "interval"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := hooks(t, tt.text, tt.secrets)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q in it", err, tt.want)
			}
			for _, h := range []string{"hidden", "aGlkZGVu"} {
				if strings.Contains(err.Error(), h) {
					t.Errorf("%v shows %s", err, h)
				}
			}
			if tt.name != "a secret in the file itself" && strings.Contains(err.Error(), hookSecret[6:]) {
				t.Errorf("%v shows the secret", err)
			}
		})
	}
}
