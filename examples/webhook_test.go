//go:build examples

package examples_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// webhook is what a receiver is given.
type webhook struct {
	Body                              []byte
	ID, Timestamp, Signatures, Secret string
}

const (
	webhookNow = 1_795_000_000
	webhookID  = "out_2000132_17_1795000000123"
)

// webhookKey is as a key may be: its base64 has +, / and =, and so is another text in base64url and without padding.
var webhookKey = strings.Repeat("\xfb\xff\x00\x10", 8)

// webhookBody has what is written in another way when it is encoded again.
const webhookBody = `{"seq":17,"id":"b2c.trigger_issue.2000132.ORDER1001","type":"b2c:trigger_issue","merchant_id":"2000132",` +
	`"subject":{"Tsr":"ORDER1001"},"state":"done","rtn_code":1,"rtn_msg":"\u958b\u7acb成功 \/ <b>& 🧾","result":{"a":1.0,"b":1e2, "c":{}},` +
	`"at":"2026-11-29T12:00:00.123+08:00"}` + "\n"

func secretOf(key string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(key)) }

// signed is a webhook of the official library.
func signed(t *testing.T, at int64, body string) webhook {
	t.Helper()
	w := webhook{Body: []byte(body), ID: webhookID, Timestamp: fmt.Sprint(at), Secret: secretOf(webhookKey)}
	library, err := standardwebhooks.NewWebhook(w.Secret)
	if err != nil {
		t.Fatal(err)
	}
	if w.Signatures, err = library.Sign(w.ID, time.Unix(at, 0), w.Body); err != nil {
		t.Fatal(err)
	}
	return w
}

// sign signs what the official library cannot be made to sign.
func (w webhook) sign(key string) webhook {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%s.%s.%s", w.ID, w.Timestamp, w.Body)
	w.Signatures = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return w
}

func (w webhook) header() http.Header {
	h := http.Header{}
	for name, value := range map[string]string{
		standardwebhooks.HeaderWebhookID: w.ID, standardwebhooks.HeaderWebhookTimestamp: w.Timestamp,
		standardwebhooks.HeaderWebhookSignature: w.Signatures,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return h
}

// What a verify function says.
const (
	accepted  = "accepted"
	refused   = "refused"
	badSecret = "the secret is wrong"
	noJSON    = "signed, and no JSON"
)

// official is what the official library says now.
func (w webhook) official() string {
	library, err := standardwebhooks.NewWebhook(w.Secret)
	if err != nil {
		return badSecret
	}
	if err := library.Verify(w.Body, w.header()); err != nil {
		return refused
	}
	return accepted
}

// example is one webhook of a table.
type example struct {
	name string
	webhook
}

// with returns a right webhook in which something is changed after it was signed.
func with(t *testing.T, change func(*webhook)) webhook {
	t.Helper()
	w := signed(t, webhookNow, webhookBody)
	change(&w)
	return w
}

// dated are webhooks whose only fault may be the time.
func dated(t *testing.T) (list []example) {
	t.Helper()
	for _, late := range []int64{0, 299, 300, 301, 3600, -300, -301, webhookNow} {
		list = append(list, example{fmt.Sprintf("%d seconds late", late), signed(t, webhookNow-late, webhookBody)})
	}
	for _, timestamp := range []string{
		"now", "1795000000.0", "1.795e9", "0x6afd6b40", " 1795000000", "1795000000 ", "+1795000000", "-1795000000", "01795000000",
		"1_795_000_000", "1795000000,0", "１７９５００００００", "1795000000²", "1795000000000", strings.Repeat("9", 30), "0",
	} {
		w := with(t, func(w *webhook) { w.Timestamp = timestamp }) // signed with the number
		if timestamp != "+1795000000" {                            // for this see the other test
			list = append(list, example{"timestamp " + timestamp, w})
		}
		list = append(list, example{"timestamp " + timestamp + ", signed so", w.sign(webhookKey)})
	}
	return list
}

// changed are webhooks that were changed on their way, or were made by others.
func changed(t *testing.T) []example {
	t.Helper()
	wrong := signed(t, webhookNow, "{}").Signatures
	right := signed(t, webhookNow, webhookBody).Signatures
	list := []example{
		{"another body", with(t, func(w *webhook) { w.Body[7] = '8' })},
		{"a body that was encoded again", with(t, func(w *webhook) {
			var v any
			if err := json.Unmarshal(w.Body, &v); err != nil {
				t.Fatal(err)
			}
			w.Body, _ = json.Marshal(v)
		})},
		{"a body without its last line end", with(t, func(w *webhook) { w.Body = w.Body[:len(w.Body)-1] })},
		{"another id", with(t, func(w *webhook) { w.ID += "4" })},
		{"another time", with(t, func(w *webhook) { w.Timestamp = fmt.Sprint(webhookNow + 1) })},
		{"another secret", with(t, func(w *webhook) { w.Secret = secretOf(strings.Repeat("k", 24)) })},
		{"no id", with(t, func(w *webhook) { w.ID = "" }).sign(webhookKey)},
		{"no timestamp", with(t, func(w *webhook) { w.Timestamp = "" }).sign(webhookKey)},
		{"signed as text", with(t, func(w *webhook) { *w = w.sign(w.Secret) })},
	}
	for _, signatures := range []string{
		"", " ", "v1", "v1,", ",", wrong, right[len("v1,"):], "v1" + right[len("v1,"):], "v2," + right[len("v1,"):],
		"v1a," + right[len("v1,"):], "V1," + right[len("v1,"):], right[:len(right)-1], right + "=", strings.TrimRight(right, "="),
		strings.ToUpper(right), "v1," + strings.Repeat("é", 44), "v1," + strings.Repeat("é", 22), "v1,é", // as many characters, or bytes
		wrong + " " + right, right + " " + wrong, wrong + "  " + right, "v1a,c2lnbmVk " + right, "v2, " + right, "v1 " + right,
		", " + right, wrong + " " + wrong, strings.Repeat(wrong+" ", 20) + right, wrong + "\t" + right, wrong + ";" + right,
	} {
		list = append(list, example{"signatures " + signatures, with(t, func(w *webhook) { w.Signatures = signatures })})
	}
	return list
}

// bodies are webhooks whose every byte counts.
func bodies(t *testing.T) (list []example) {
	t.Helper()
	for _, body := range []string{
		webhookBody, "{}", `{"a":"台北101 \/ \u53f0"}`, "\r\n {\"a\" : 1}\r\n", `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}",
		`{"a":"` + strings.Repeat("x", 300_000) + `"}`,
	} {
		list = append(list, example{"body " + body[:min(len(body), 30)], signed(t, webhookNow, body)})
	}
	return list
}

// secrets are right webhooks, for receivers that were given the secret in some spelling.
func secrets(t *testing.T) (list []example) {
	t.Helper()
	secret := secretOf(webhookKey)
	text := secret[len("whsec_"):]
	for _, s := range []string{
		secret, text, secret + "\n", secret + "\r\n", strings.TrimRight(secret, "="), secret + "=", secret[:len(secret)-4], secret[:9],
		"whsec_" + strings.NewReplacer("+", "-", "/", "_").Replace(text), secret[:20] + " " + secret[20:], secret[:20] + "!" + secret[20:],
		"whsec_" + secret, "whsk_" + text, "whsec_é" + text, "WHSEC_" + text, `"` + secret + `"`, "whsec_=" + text,
	} {
		list = append(list, example{"secret " + s, with(t, func(w *webhook) { w.Secret = s })})
	}
	for _, n := range []int{24, 25, 26, 64} {
		key := strings.Repeat("k", n)
		list = append(list, example{fmt.Sprintf("a secret of %d bytes", n), with(t, func(w *webhook) { w.Secret = secretOf(key) }).sign(key)})
	}
	pads := strings.Repeat("\x36\x5c", 16) // of HMAC, which are NUL in its two inner keys
	list = append(list, example{"a secret of HMAC's own bytes", with(t, func(w *webhook) { w.Secret = secretOf(pads) }).sign(pads)})
	return list
}

// verifiers say what a verify function makes of the webhooks on stdin, in JSON.
var verifiers = []struct {
	name    string
	command []string
}{
	{"PHP", []string{"php", "-r", `require "php/webhook.php";
		foreach (json_decode(stream_get_contents(STDIN), true) as $w) {
			try {
				$o = ecpayq_verify(base64_decode($w["Body"]), $w["ID"], $w["Timestamp"], $w["Signatures"], $w["Secret"], (int) $argv[1]);
				$says[] = $o == json_decode(base64_decode($w["Body"]), true) ? "accepted" : "another body";
			} catch (UnexpectedValueException) { $says[] = "refused";
			} catch (LogicException) { $says[] = "the secret is wrong";
			} catch (JsonException) { $says[] = "signed, and no JSON"; }
		}
		echo json_encode($says);`, "--"}},
	{"Node", []string{"node", "--input-type=module", "-e", `import { readFileSync } from "node:fs";
		const { Refused, verify } = await import(process.cwd() + "/node/webhook.mjs");
		console.log(JSON.stringify(JSON.parse(readFileSync(0)).map((w) => {
			const body = Buffer.from(w.Body, "base64");
			try {
				const o = verify(body, w.ID, w.Timestamp, w.Signatures, w.Secret, Number(process.argv[1]));
				return JSON.stringify(o) === JSON.stringify(JSON.parse(body)) ? "accepted" : "another body";
			} catch (e) {
				if (e instanceof Refused) return "refused";
				if (e instanceof SyntaxError) return "signed, and no JSON";
				return e.constructor === Error ? "the secret is wrong" : String(e);
			}
		})));`, "--"}},
	{"Python", []string{"python3", "-B", "-c", `import base64, json, sys
sys.path.insert(0, "python")
import webhook
def says(w):
    body = base64.b64decode(w["Body"])
    try:
        o = webhook.verify(body, w["ID"], w["Timestamp"], w["Signatures"], w["Secret"], int(sys.argv[1]))
        return "accepted" if o == json.loads(body) else "another body"
    except webhook.Refused:
        return "refused"
    except json.JSONDecodeError:
        return "signed, and no JSON"
    except ValueError:
        return "the secret is wrong"
json.dump([says(w) for w in json.load(sys.stdin)], sys.stdout)`}},
	{"shell", []string{"sh", "-c", `. ./shell/webhook.sh
		body=$(mktemp)
		trap 'rm -f "$body"' EXIT
		jq -c '.[]' | while IFS= read -r webhook; do
			printf '%s' "$webhook" | jq -r .Body | openssl base64 -d -A >"$body"
			eval "$(printf '%s' "$webhook" | jq -r '@sh "id=\(.ID) at=\(.Timestamp) signatures=\(.Signatures) secret=\(.Secret)"')"
			ecpayq_verify "$body" "$id" "$at" "$signatures" "$secret" "$1"
			case $? in
			0) if jq -es 'length == 1' "$body" >/dev/null 2>&1; then echo accepted; else echo 'signed, and no JSON'; fi ;;
			1) echo refused ;;
			2) echo 'the secret is wrong' ;;
			esac
		done | jq -R . | jq -s .`, "--"}},
}

// verify has each of the languages verify the webhooks at webhookNow.
func verify(t *testing.T, list []example, want []string) {
	t.Helper()
	var hooks []webhook
	for _, e := range list {
		hooks = append(hooks, e.webhook)
	}
	in, err := json.Marshal(hooks)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verifiers {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), v.command[0], append(v.command[1:len(v.command):len(v.command)], fmt.Sprint(webhookNow))...)
			cmd.Stdin = strings.NewReader(string(in))
			out, err := cmd.Output()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				t.Fatalf("%v\n%s\n%s", err, out, exit.Stderr)
			}
			var got []string
			if err := json.Unmarshal(out, &got); err != nil || len(got) != len(list) {
				t.Fatalf("%v: got %d answers to %d webhooks\n%s", err, len(got), len(list), out)
			}
			for i, e := range list {
				if got[i] != want[i] {
					t.Errorf("%s: %s, want %s", e.name, got[i], want[i])
				}
			}
		})
	}
}

func TestWebhookExamplesSayWhatTheOfficialLibrarySays(t *testing.T) {
	t.Parallel()
	list := slices.Concat(dated(t), changed(t), bodies(t), secrets(t))
	want, counts := officially(t, list), map[string]int{}
	for _, w := range want {
		counts[w]++
	}
	if counts[accepted] < 20 || counts[refused] < 40 || counts[badSecret] < 10 {
		t.Errorf("the official library says %v: is the table of use?", counts)
	}
	verify(t, list, want)
}

// officially asks the official library, which knows no clock but the real one, at webhookNow.
func officially(t *testing.T, list []example) (says []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(webhookNow, 0)))
		for _, e := range list {
			says = append(says, e.official())
		}
	})
	return says
}

// Where the official library takes what ecpayq never sends, the examples may be stricter.
func TestWebhookExamplesAreStricterThanTheOfficialLibrary(t *testing.T) {
	t.Parallel()
	right := signed(t, webhookNow, webhookBody)
	short := strings.Repeat("k", 23)
	list, want := []example{
		{"no secret, for which anybody can sign", with(t, func(w *webhook) { w.Secret = "" }).sign("")},
		{"an empty secret", with(t, func(w *webhook) { w.Secret = "whsec_" }).sign("")},
		{"a secret that is too short", with(t, func(w *webhook) { w.Secret = secretOf(short) }).sign(short)},
		{"bits that are left over", with(t, func(w *webhook) { w.Secret = secretOf(webhookKey)[:len(w.Secret)-2] + "B=" })},
		{"something after the signature", with(t, func(w *webhook) { w.Signatures += ",more" })},
		{"a sign before the timestamp", with(t, func(w *webhook) { w.Timestamp = "+" + w.Timestamp })},
		{"no body", signed(t, webhookNow, "")},
		{"half a body", signed(t, webhookNow, string(right.Body[:40]))},
	}, []string{badSecret, badSecret, badSecret, badSecret, refused, refused, noJSON, noJSON}
	for i, says := range officially(t, list) {
		if says != accepted {
			t.Errorf("%s: the official library says %s; move it to the other test", list[i].name, says)
		}
	}
	verify(t, list, want)
}
