package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/config"
)

func TestADurationIsReadAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "500ms": 500 * time.Millisecond, "1.5h": 90 * time.Minute, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"7d": 7 * day, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour,
		"1d1h1m1s1ms1us1ns": day + time.Hour + time.Minute + time.Second + 1001001,
		"-1s":               -time.Second, "-1d12h": -36 * time.Hour, "010m": 10 * time.Minute, "2µs": 2000, "106751d": 106751 * day,
	} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "10", "7 d", " 7d", "7d ", "+5m", "1_000s", "0x10s", "1e3s", ".5s", "1.s", "1w",
		"12h1d", "1h1h", "d", "-", "-0x", "soon", "１s", "106752d", "9999999999h", "106751d24h", "1d-1h",
	} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		} else if strings.Contains(err.Error(), "time:") {
			t.Errorf("%q: got error %q, want one without Go's words", text, err)
		}
	}
}

func TestTheFileIsReadByExactNamesAndInDecimal(t *testing.T) {
	t.Parallel()
	const key = "ejCk326UnaZWKisg"
	const merchant = "merchants:\n  - {merchant_id: \"0012345\", hash_key: ejCk326UnaZWKisg, hash_iv: q9jcZX8Ib9LM8wYk, interval: 7d}\n"
	for name, row := range map[string]struct{ text, want string }{ // want: empty for what is taken
		"days, and digits that are no number": {
			merchant + "schedules:\n  - {name: a, cron: '@daily', older_than: 1d12h, limit: 10}\ncodes:\n  - {rtn_code: 77, kind: Operator}\n",
			"",
		},
		"an interval that is 0": {strings.Replace(merchant, "7d", "0", 1), ""},
		"a merchant's field twice": {
			"merchants:\n  - merchant_id: \"1\"\n    hash_key: " + key + "\n    interval: 1s\n    interval: 2s\n",
			`line 5: field "interval" is there twice, first on line 4`,
		},
		"all merchants twice": {merchant + merchant, `field "merchants" is there twice, first on line 1`},
		"a key in the place of a name, twice": {"merchants:\n  - " + key + ": 1\n    " + key + ": 2\n",
			`a field is there twice, first on line 2`},
		"a name in another case":          {strings.Replace(merchant, "merchant_id", "Merchant_ID", 1), "an unknown field"},
		"the name of all in another case": {strings.Replace(merchant, "merchants", "Merchants", 1), "an unknown field"},
		"a name that is misspelt":         {strings.Replace(merchant, "interval", "intervall", 1), `unknown field "intervall"`},
		"a limit that Go reads as 8": {merchant + "schedules:\n  - {name: a, cron: '@daily', limit: 010}\n",
			"line 4: limit must be a whole number in decimal digits"},
		"a limit in hexadecimal": {merchant + "schedules:\n  - name: a\n    cron: '@daily'\n    limit: 0x10\n",
			"line 6: limit must be a whole number in decimal digits"},
		"a limit in groups": {merchant + "schedules:\n  - {name: a, cron: '@daily', limit: 1_000}\n",
			"limit must be a whole number in decimal digits"},
		"a limit with a fraction": {merchant + "schedules:\n  - {name: a, cron: '@daily', limit: 10.0}\n",
			"limit must be a whole number in decimal digits"},
		"a limit of a list": {merchant + "schedules:\n  - {name: a, cron: '@daily', limit: [1]}\n",
			"limit must be a whole number in decimal digits"},
		"a code that Go reads as 8": {merchant + "codes:\n  - {rtn_code: 010, kind: Operator}\n",
			"line 4: rtn_code must be a whole number in decimal digits"},
		"an interval without a unit": {strings.Replace(merchant, "7d", "5", 1), "line 2: interval must be a duration with its unit"},
		"an age without a unit": {merchant + "schedules:\n  - {name: a, cron: '@daily', older_than: 24}\n",
			"older_than must be a duration with its unit"},
		"a flag that is a word": {strings.Replace(merchant, "interval: 7d", "tsr_is_relate_number: perhaps", 1),
			"line 2: this must be true or false"},
		"a bracket that is not closed": {"merchants: [\n", "line 1: this is no YAML"},
		"a value with a colon":         {"merchants: a: b\n", "this is no YAML"},
		"a tab":                        {"\tmerchants: 7\n", "this is no YAML"},
		"a star":                       {"merchants: *ejCk326UnaZWKisg\n", "begins with * and is not quoted"},
		"merchants that are none":      {"merchants: 7\n", "line 1: this must be a list"},
		"a merchant that is none":      {"merchants: [ejCk326UnaZWKisg]\n", "line 1: this must be fields with their values"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "ecpayq.conf")
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c := &config.Config{File: path, Env: func(string) (string, bool) { return "", false }}
			_, err := c.Open()
			if row.want == "" {
				if err != nil {
					t.Fatalf("got error %v, want none", err)
				}
				if page, err := c.Page(); err != nil || page.Interval("0012345")%(24*time.Hour) != 0 {
					t.Errorf("got an interval of %s and %v", page.Interval("0012345"), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got error %v, want one that says %q", err, row.want)
			}
			for _, word := range []string{key, "unmarshal", "yaml:", "!!", "time.Duration", "strconv", "[]"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("the error says %q: %v", word, err)
				}
			}
		})
	}
}

// 0s is none also where the library's own 0 is a default.
func TestNoGraceIsNoGrace(t *testing.T) {
	t.Parallel()
	if got := mustParse(t, stage(map[string]string{"ECPAYQ_NOT_FOUND_GRACE": "0s"})).Policy().NotFoundGrace; got >= 0 {
		t.Errorf("got a grace of %s for the worker, want a negative one, which is none", got)
	}
	if got := mustParse(t, stage(nil)).Policy().NotFoundGrace; got != 10*time.Minute {
		t.Errorf("got a grace of %s, want 10m", got)
	}
}
