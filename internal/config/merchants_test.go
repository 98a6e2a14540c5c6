package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/worker"
)

// Pairs of keys, each of 16 bytes.
const (
	keyA, ivA = "AAAAKey000000001", "AAAAIv0000000001"
	keyB, ivB = "BBBBKey000000002", "BBBBIv0000000002"
	keyP, ivP = "PPPPKey000000003", "PPPPIv0000000003"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// open reads a YAML text.
func open(t *testing.T, text string, env map[string]string) (*config.Directory, error) {
	t.Helper()
	all := map[string]string{"ECPAYQ_CONFIG": write(t, "ecpayq.yaml", text)}
	for k, v := range env {
		all[k] = v
	}
	return mustParse(t, all).Open()
}

// known is what the directory tells of one merchant.
type known struct {
	Platform    string
	Fingerprint string
	Tsr, Again  bool
}

func lookUp(t *testing.T, d *config.Directory, id string) known {
	t.Helper()
	m, err := d.Merchant(t.Context(), id)
	if err != nil {
		t.Fatalf("merchant %s: %v", id, err)
	}
	if m.ID() != id {
		t.Errorf("asked for merchant %s, got %s", id, m.ID())
	}
	return known{m.PlatformID(), m.KeyFingerprint(), m.TsrIsRelateNumber, m.RetriggerScheduled}
}

func print(key, iv string) string {
	return ecpay.Fingerprint(ecpay.NewSecret(key), ecpay.NewSecret(iv))
}

func TestTheYAMLHoldsMerchantsPlatformsAndCodes(t *testing.T) {
	t.Parallel()
	text := fmt.Sprintf(`
platforms:
  - platform_id: "9000001"
    hash_key: %s
    hash_iv: %s
merchants:
  - merchant_id: "1000001"
    hash_key: %s
    hash_iv: %s
    tsr_is_relate_number: true
  - merchant_id: "1000002"
    platform_id: "9000001"
    keys: platform
    retrigger_scheduled: true
  - merchant_id: "1000003"
    platform_id: "9000001"
    keys: merchant
    hash_key_file: %s
    hash_iv_file: %s
  - merchant_id: 1000004            # a number is a number by its digits
    hash_key: 1234567890123456
    hash_iv: 0123456789012345
codes:
  - {rtn_code: 5099999, kind: Operator, zh_tw: 測試, en: a test}
  - {rtn_code: 5099998, operation: B2B Invalid, kind: conflict, zh_tw: 測試, en: a test}
  - {rtn_code: 5099997, operation: B2C GetIssue, kind: Unavailable, zh_tw: 測試, en: a test}
  - {trans_code: 777, kind: Unavailable, zh_tw: 測試, en: a test}
`, keyP, ivP, keyA, ivA, write(t, "key", keyB+"\n"), write(t, "iv", " "+ivB+"\r\n"))
	d, err := open(t, text, map[string]string{"ECPAYQ_MERCHANT_ID": stageID, "ECPAYQ_HASH_KEY": stageKey, "ECPAYQ_HASH_IV": stageIV})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]known{
		"1000001": {"", print(keyA, ivA), true, false},
		"1000002": {"9000001", print(keyP, ivP), false, true},
		"1000003": {"9000001", print(keyB, ivB), false, false},
		"1000004": {"", print("1234567890123456", "0123456789012345"), false, false},
		stageID:   {"", print(stageKey, stageIV), false, false},
	}
	if d.Len() != len(want) {
		t.Errorf("got %d merchants, want %d", d.Len(), len(want))
	}
	for id, w := range want {
		if diff := cmp.Diff(w, lookUp(t, d, id)); diff != "" {
			t.Errorf("merchant %s (-want +got):\n%s", id, diff)
		}
	}
	if _, err := d.Merchant(t.Context(), "1000005"); !errors.Is(err, worker.ErrUnknownMerchant) {
		t.Errorf("a merchant that is not there: got error %v, want ErrUnknownMerchant", err)
	}
	for _, row := range []struct {
		op        ecpay.OperationID
		rtn       int64
		trans     int
		want      ecpay.Kind
		wantFound bool
	}{
		{ecpay.OperationID{Category: ecpay.B2C, Name: "TriggerIssue"}, 5099999, 0, ecpay.Operator, true},
		{ecpay.OperationID{Category: ecpay.B2B, Name: "Invalid"}, 5099998, 0, ecpay.Conflict, true},
		{ecpay.OperationID{Category: ecpay.B2C, Name: "TriggerIssue"}, 5099998, 0, ecpay.Unknown, false},
		{ecpay.OperationID{Category: ecpay.B2B, Name: "Invalid"}, 0, 777, ecpay.Unavailable, true},
		{ecpay.OperationID{Category: ecpay.B2B, Name: "Invalid"}, 0, 104, ecpay.Stale, true}, // the built-in ones stay
		{ecpay.OperationID{Category: ecpay.B2C, Name: "GetIssue"}, 5099997, 0, ecpay.Unavailable, true},
		{ecpay.OperationID{Category: ecpay.B2B, Name: "GetIssue"}, 5099997, 0, ecpay.Unknown, false},
	} {
		got, ok := d.Codes.Lookup(row.op, row.rtn, row.trans)
		if ok != row.wantFound || got.Kind != row.want {
			t.Errorf("%s %d/%d: got %s (%v), want %s (%v)", row.op, row.rtn, row.trans, got.Kind, ok, row.want, row.wantFound)
		}
	}
}

func TestAMerchantOfTheYAMLGoesBeforeTheSettingForAll(t *testing.T) {
	t.Parallel()
	text := fmt.Sprintf("merchants:\n  - {merchant_id: A1, hash_key: %s, hash_iv: %s}\n  - {merchant_id: B1, "+
		"hash_key: %s, hash_iv: %s, tsr_is_relate_number: false, retrigger_scheduled: false}\n", keyA, ivA, keyB, ivB)
	d, err := open(t, text, map[string]string{"ECPAYQ_TSR_IS_RELATE_NUMBER": "true", "ECPAYQ_RETRIGGER_SCHEDULED": "true"})
	if err != nil {
		t.Fatal(err)
	}
	if got := lookUp(t, d, "A1"); !got.Tsr || !got.Again {
		t.Errorf("a merchant that says nothing: got %+v, want both as set for all", got)
	}
	if got := lookUp(t, d, "B1"); got.Tsr || got.Again {
		t.Errorf("a merchant that says false: got %+v, want both false", got)
	}
}

func TestAnEmptyYAMLIsFineBesideTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "merchants: []\n"} {
		d, err := open(t, text, stage(nil))
		if err != nil || d.Len() != 1 {
			t.Errorf("%q: got error %v, want the merchant of the environment", text, err)
		}
	}
}

func TestAWrongYAMLIsRefusedWithoutRepeatingAKey(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf("  - {merchant_id: A1, hash_key: %s, hash_iv: %s}\n", keyA, ivA)
	rows := []struct{ name, text, want string }{
		{"merchant twice", "merchants:\n" + good + good, "merchant A1 is configured twice"},
		{"field of a merchant misspelt", "merchants:\n  - {merchant_id: A1, hashkey: " + keyA + "}\n", "hashkey"},
		{"field of the file misspelt", "merchant:\n" + good, "merchant"},
		{"field of a code misspelt", "merchants:\n" + good + "codes:\n  - {code: 1, kind: Rejected}\n", "code"},
		{"field twice", "merchants:\n  - {merchant_id: A1, hash_key: " + keyA + ", hash_key: " + keyB + ", hash_iv: " + ivA + "}\n", "hash_key"},
		{"no HashKey", "merchants:\n  - {merchant_id: A1, hash_iv: " + ivA + "}\n", "hash_key or hash_key_file is required"},
		{"no HashIV", "merchants:\n  - {merchant_id: A1, hash_key: " + keyA + "}\n", "hash_iv or hash_iv_file is required"},
		{"HashKey and its file",
			"merchants:\n  - {merchant_id: A1, hash_key: " + keyA + ", hash_key_file: /k, hash_iv: " + ivA + "}\n", "not both"},
		{"key file that is not there", "merchants:\n  - {merchant_id: A1, hash_key_file: /nowhere/key, hash_iv: " + ivA + "}\n", "/nowhere/key"},
		{"key too short", "merchants:\n  - {merchant_id: A1, hash_key: " + keyA[:15] + ", hash_iv: " + ivA + "}\n", "HashKey has 15 bytes"},
		{"IV too long", "merchants:\n  - {merchant_id: A1, hash_key: " + keyA + ", hash_iv: " + ivA + "x}\n", "HashIV has 17 bytes"},
		{"no MerchantID", "merchants:\n  - {hash_key: " + keyA + ", hash_iv: " + ivA + "}\n", "MerchantID is required"},
		{"MerchantID too long", "merchants:\n  - {merchant_id: A1234567890, hash_key: " + keyA + ", hash_iv: " + ivA + "}\n",
			"MerchantID has 11 characters"},
		{"MerchantID with a brace", "merchants:\n  - {merchant_id: \"A{1}\", hash_key: " + keyA + ", hash_iv: " + ivA + "}\n",
			"MerchantID must be letters and digits"},
		{"keys of a platform that is not there", "merchants:\n  - {merchant_id: A1, platform_id: P9, keys: platform}\n", `platform "P9"`},
		{"keys of nobody", "merchants:\n  - {merchant_id: A1, keys: both, hash_key: " + keyA + ", hash_iv: " + ivA + "}\n", `keys is "both"`},
		{"platform twice", "platforms:\n  - {platform_id: P1}\n  - {platform_id: P1}\nmerchants:\n" + good, `platform "P1"`},
		{"platform without keys that are needed",
			"platforms:\n  - {platform_id: P1}\nmerchants:\n  - {merchant_id: A1, platform_id: P1, keys: platform}\n", "platform P1: hash_key"},
		{"code without a kind that codes have", "merchants:\n" + good + "codes:\n  - {rtn_code: 5, kind: OK}\n", "kind OK"},
		{"code of an unknown kind", "merchants:\n" + good + "codes:\n  - {rtn_code: 5, kind: Broken}\n", "kind"},
		{"code that is two", "merchants:\n" + good + "codes:\n  - {rtn_code: 5, trans_code: 6, kind: Rejected}\n",
			"either rtn_code or trans_code"},
		{"code of an unknown operation", "merchants:\n" + good + "codes:\n  - {rtn_code: 5, operation: Issue, kind: Rejected}\n", `"Issue"`},
		{"code of an operation that both categories have",
			"merchants:\n" + good + "codes:\n  - {rtn_code: 5, operation: GetIssue, kind: Rejected}\n", "write B2C GetIssue or B2B GetIssue"},
		{"TransCode 1", "merchants:\n" + good + "codes:\n  - {trans_code: 1, kind: Rejected}\n", "TransCode 1"},
		{"interval negative", "merchants:\n  - {merchant_id: A1, hash_key: " + keyA + ", hash_iv: " + ivA + ", interval: -1s}\n",
			"merchant A1: interval is -1s"},
		{"no merchant", "merchants: []\n", "no merchant is configured"},
		{"a second document", "merchants:\n" + good + "---\nmerchants:\n" + good, "document"},

		// Mistakes by which a key stands where something else should.
		{"a list as HashKey", "merchants:\n  - {merchant_id: A1, hash_key: [" + keyA + "], hash_iv: " + ivA + "}\n",
			"a key must be one word of text"},
		{"a map as HashKey", "merchants:\n  - {merchant_id: A1, hash_key: {" + keyA + ": x}, hash_iv: " + ivA + "}\n",
			"a key must be one word of text"},
		{"a key as switch", "merchants:\n  - {merchant_id: A1, tsr_is_relate_number: " + keyA + "}\n", "line 2"},
		{"a key as code", "codes:\n  - {rtn_code: " + keyA + ", kind: Rejected}\n", "line 2"},
		{"a key as merchant", "merchants:\n  - " + keyA + "\n", "line 2"},
		{"a key as list of merchants", "merchants: " + keyA + "\n", "line 1"},
		{"a key as file", keyA + "\n", "ECPAYQ_CONFIG"},
		{"no space after the colon", "merchants:\n  - {merchant_id: A1, hash_key:" + keyA + ", hash_iv: " + ivA + "}\n", "ECPAYQ_CONFIG"},
		{"no space after the colon, on lines of their own",
			"merchants:\n  - merchant_id: A1\n    hash_key:" + keyA + "\n    hash_iv:" + ivA + "\n", "ECPAYQ_CONFIG"},
		{"no space after the colon of the last line",
			"merchants:\n  - merchant_id: A1\n    hash_key: " + keyB + "\n    hash_iv:" + ivA + "\n", "ECPAYQ_CONFIG"},
		{"no colon", "merchants:\n  - merchant_id: A1\n    hash_key " + keyA + "\n    hash_iv " + ivA + "\n", "ECPAYQ_CONFIG"},
		{"key and value exchanged", "merchants:\n  - {merchant_id: A1, " + keyA + ": hash_key, " + ivA + ": hash_iv}\n", "ECPAYQ_CONFIG"},
		{"a tag in front of the key", "merchants:\n  - {merchant_id: A1, hash_key: !" + keyA + " x, hash_iv: " + ivA + "}\n", "HashKey"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, row.text, nil)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got error %v, want one that says %q", err, row.want)
			}
			for _, secret := range []string{keyA, ivA, keyB, ivB, keyA[4:10], ivA[4:10], keyA[:7], ivA[:6]} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds %q of a key: %v", secret, err)
					break
				}
			}
		})
	}
}

func TestTheMerchantOfTheEnvironmentIsWholeOrAbsent(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		env  map[string]string
		want string // empty: one merchant
	}{
		{"whole", stage(nil), ""},
		{"with a platform", stage(map[string]string{"ECPAYQ_PLATFORM_ID": "9000001"}), ""},
		{"empty file variables count as not set", stage(map[string]string{"ECPAYQ_HASH_KEY_FILE": "", "ECPAYQ_CONFIG": ""}), ""},
		{"nothing", nil, "no merchant is configured"},
		{"keys only", map[string]string{"ECPAYQ_HASH_KEY": keyA, "ECPAYQ_HASH_IV": ivA}, "not ECPAYQ_MERCHANT_ID"},
		{"IV only", map[string]string{"ECPAYQ_HASH_IV": ivA}, "not ECPAYQ_MERCHANT_ID"},
		{"no HashKey", stage(map[string]string{"ECPAYQ_HASH_KEY": ""}), "ECPAYQ_HASH_KEY is required"},
		{"no HashIV", stage(map[string]string{"ECPAYQ_HASH_IV": ""}), "ECPAYQ_HASH_IV is required"},
		{"short HashKey", stage(map[string]string{"ECPAYQ_HASH_KEY": keyA[1:]}), "HashKey has 15 bytes, want 16"},
		{"HashIV in hexadecimal", stage(map[string]string{"ECPAYQ_HASH_IV": strings.Repeat("5a", 16)}), "HashIV has 32 bytes, want 16"},
		{"HashKey of 16 characters and 48 bytes",
			stage(map[string]string{"ECPAYQ_HASH_KEY": strings.Repeat("鑰", 16)}), "HashKey has 48 bytes, want 16"},
		{"HashKey and its file", stage(map[string]string{"ECPAYQ_HASH_KEY_FILE": "/k"}), "ECPAYQ_HASH_KEY or ECPAYQ_HASH_KEY_FILE, not both"},
		{"MerchantID and its file", stage(map[string]string{"ECPAYQ_MERCHANT_ID_FILE": "/k"}), "not both"},
		{"HashIV file that is not there",
			stage(map[string]string{"ECPAYQ_HASH_IV": "", "ECPAYQ_HASH_IV_FILE": "/nowhere/iv"}), "ECPAYQ_HASH_IV_FILE"},
		{"MerchantID too long", stage(map[string]string{"ECPAYQ_MERCHANT_ID": "20001320000"}), "MerchantID has 11 characters"},
		{"PlatformID too long", stage(map[string]string{"ECPAYQ_PLATFORM_ID": "20001320000"}), "PlatformID has 11 characters"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, err := mustParse(t, row.env).Open()
			if row.want == "" {
				if err != nil || d.Len() != 1 {
					t.Errorf("got error %v, want one merchant", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want one that says %q", err, row.want)
			}
			for _, secret := range []string{keyA[1:], ivA, stageKey, stageIV} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds a key: %v", err)
				}
			}
		})
	}
}

func TestAReloadTakesEffectAtOnceAndAWrongOneChangesNothing(t *testing.T) {
	t.Parallel()
	entry := func(id, key, iv string) string {
		return fmt.Sprintf("  - {merchant_id: %s, hash_key: %s, hash_iv: %s}\n", id, key, iv)
	}
	path := write(t, "ecpayq.yaml", "merchants:\n"+entry("A1", keyA, ivA)+entry("B1", keyB, ivB))
	keyFile := write(t, "key", stageKey)
	d, err := mustParse(t, map[string]string{
		"ECPAYQ_CONFIG": path, "ECPAYQ_MERCHANT_ID": stageID, "ECPAYQ_HASH_KEY_FILE": keyFile, "ECPAYQ_HASH_IV": stageIV,
	}).Open()
	if err != nil {
		t.Fatal(err)
	}
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := lookUp(t, d, "A1")
	for _, wrong := range []string{"merchants: [\n", "merchants:\n" + entry("A1", "short", ivA),
		"merchants:\n" + entry(stageID, keyA, ivA), "merchants:\n" + entry("A1", keyB, ivB) + entry("A1", keyB, ivB)} {
		put(path, wrong)
		if err := d.Reload(); err == nil {
			t.Errorf("%q: got no error", wrong)
		}
		if got := lookUp(t, d, "A1"); got != before || d.Len() != 3 {
			t.Errorf("after a wrong reload: got %+v and %d merchants, want %+v and 3", got, d.Len(), before)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(); err == nil || d.Len() != 3 {
		t.Errorf("without the file: got error %v and %d merchants, want an error and 3", err, d.Len())
	}

	put(path, "merchants:\n"+entry("A1", keyP, ivP)+entry("C1", keyB, ivB))
	put(keyFile, keyB)
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	if got, want := lookUp(t, d, "A1").Fingerprint, print(keyP, ivP); got != want {
		t.Errorf("changed merchant: got key %s, want %s", got, want)
	}
	if got, want := lookUp(t, d, stageID).Fingerprint, print(keyB, stageIV); got != want {
		t.Errorf("changed key file: got key %s, want %s", got, want)
	}
	lookUp(t, d, "C1")
	if _, err := d.Merchant(t.Context(), "B1"); !errors.Is(err, worker.ErrUnknownMerchant) {
		t.Errorf("removed merchant: got error %v, want ErrUnknownMerchant", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		err  func(t *testing.T) error
		want string
	}{
		{"Redis URL", func(t *testing.T) error {
			return mustParse(t, map[string]string{"ECPAYQ_REDIS_URL": "x"}).CheckRedisURL()
		}, "redis://"},
		{"ECPay URL", func(t *testing.T) error {
			_, err := mustParse(t, map[string]string{"ECPAYQ_ECPAY_URL": "x"}).BaseURL()
			return err
		}, "production"},
		{"no merchant", func(t *testing.T) error { _, err := mustParse(t, nil).Open(); return err }, "ECPAYQ_HASH_KEY_FILE"},
		{"merchant twice", func(t *testing.T) error {
			_, err := open(t, fmt.Sprintf("merchants:\n  - {merchant_id: %s, hash_key: %s, hash_iv: %s}\n", stageID, keyA, ivA), stage(nil))
			return err
		}, "ECPAYQ_MERCHANT_ID counts too"},
		{"wrong key", func(t *testing.T) error {
			_, err := mustParse(t, stage(map[string]string{"ECPAYQ_HASH_KEY": "x"})).Open()
			return err
		}, "16 bytes"},
		{"unreadable file", func(t *testing.T) error {
			_, err := mustParse(t, map[string]string{"ECPAYQ_CONFIG": t.TempDir()}).Open()
			return err
		}, "may read it"},
		{"wrong YAML", func(t *testing.T) error { _, err := open(t, "x: 1\n", nil); return err }, "README"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			err := row.err(t)
			var h *config.Hint
			if !errors.As(err, &h) || !strings.Contains(h.Text, row.want) {
				t.Errorf("got error %v with hint %+v, want a hint that names %q", err, h, row.want)
			}
		})
	}
}
