package ecpay

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"
)

type vector struct {
	Name         string `json:"name"`
	Key          string `json:"key"`
	IV           string `json:"iv"`
	PlainJSON    string `json:"plain_json"`
	URLEncoded   string `json:"urlencoded"`
	CipherBase64 string `json:"cipher_base64"`
	HexCase      string `json:"hex_case"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(b, &vs); err != nil {
		t.Fatal(err)
	}
	if len(vs) < 10 {
		t.Fatalf("%d vectors, want at least 10", len(vs))
	}
	return vs
}

func testCodec(t testing.TB, key, iv string) *Codec {
	t.Helper()
	c, err := NewCodec(NewSecret(key), NewSecret(iv))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCodecAgreesWithPublishedVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			c := testCodec(t, v.Key, v.IV)
			if v.HexCase == "upper" {
				if got := string(appendEscaped(nil, []byte(v.PlainJSON))); got != v.URLEncoded {
					t.Errorf("escaped\n got %s\nwant %s", got, v.URLEncoded)
				}
				if got := c.Seal([]byte(v.PlainJSON)); got != v.CipherBase64 {
					t.Errorf("Seal\n got %s\nwant %s", got, v.CipherBase64)
				}
			}
			got, err := c.Open(v.CipherBase64)
			if err != nil || string(got) != v.PlainJSON {
				t.Errorf("Open = %s, %v; want %s", got, err, v.PlainJSON)
			}
		})
	}
}

func TestEscapingIsPHPs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Items (Special)~Test":  "Items+%28Special%29%7ETest",
		"Tom's Shop!":           "Tom%27s+Shop%21",
		"price=100&item=test*2": "price%3D100%26item%3Dtest%2A2",
		"file_name-v2.0":        "file_name-v2.0",
	} {
		if got := string(appendEscaped(nil, []byte(in))); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOpenIsTolerant(t *testing.T) {
	t.Parallel()
	c := testCodec(t, "ejCk326UnaZWKisg", "q9jcZX8Ib9LM8wYk")
	sealText := func(text string) string { // without escaping
		pad := 16 - len(text)%16
		raw := append([]byte(text), bytes.Repeat([]byte{byte(pad)}, pad)...)
		return encryptRaw(c, raw)
	}
	const want = `{"d":"2026-06-17 12:25:00/~"}`
	std := c.Seal([]byte(want))
	for name, in := range map[string]string{
		"as is":                  std,
		"line breaks":            std[:20] + "\r\n" + std[20:] + "\n",
		"no base64 padding":      strings.TrimRight(std, "="),
		"surrounding space":      "  " + std + " ",
		"percent 20 for space":   sealText(`%7B%22d%22%3A%222026-06-17%2012%3A25%3A00%2F~%22%7D`),
		"lower hex, raw slash":   sealText(`%7b%22d%22%3a%222026-06-17+12%3a25%3a00/~%22%7d`),
		"never escaped":          sealText(want),
		"dotnet left characters": sealText(`%7B%22d%22%3A%222026-06-17+12:25:00/~%22%7D`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.Open(in)
			if err != nil || string(got) != want {
				t.Errorf("Open = %q, %v; want %q", got, err, want)
			}
		})
	}
}

func encryptRaw(c *Codec, raw []byte) string {
	out := make([]byte, len(raw))
	prev := c.iv[:]
	for i := 0; i < len(raw); i += 16 {
		var block [16]byte
		for j := range block {
			block[j] = raw[i+j] ^ prev[j]
		}
		c.block.Encrypt(out[i:i+16], block[:])
		prev = out[i : i+16]
	}
	return base64.StdEncoding.EncodeToString(out)
}

func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	c := testCodec(t, "ejCk326UnaZWKisg", "q9jcZX8Ib9LM8wYk")
	std := c.Seal([]byte(`{"MerchantID":"2000132","Tsr":"201909170001"}`))
	for name, tc := range map[string]struct {
		codec *Codec
		in    string
	}{
		"empty":           {c, ""},
		"not base64":      {c, "%%%"},
		"half a block":    {c, base64.StdEncoding.EncodeToString([]byte("12345678"))},
		"another HashKey": {testCodec(t, "XXXXXXXXXXXXXXXX", "q9jcZX8Ib9LM8wYk"), std},
		"another HashIV":  {testCodec(t, "ejCk326UnaZWKisg", "XXXXXXXXXXXXXXXX"), std},
		"not JSON":        {c, c.Seal([]byte("hello"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := tc.codec.Open(tc.in); !errors.Is(err, ErrUnreadable) {
				t.Errorf("Open = %q, %v; want ErrUnreadable", got, err)
			}
		})
	}
}

func TestKeyLengthsAreChecked(t *testing.T) {
	t.Parallel()
	good := NewSecret("0123456789abcdef")
	for _, bad := range []string{"", "short", "0123456789abcdef0", "一二三四五六七八九十"} {
		if _, err := NewCodec(NewSecret(bad), good); err == nil || !strings.Contains(err.Error(), "HashKey") {
			t.Errorf("HashKey of %d bytes: %v", len(bad), err)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Error("the error tells the key")
		}
		if _, err := NewCodec(good, NewSecret(bad)); err == nil || !strings.Contains(err.Error(), "HashIV") {
			t.Errorf("HashIV of %d bytes: %v", len(bad), err)
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	const value = "ejCk326UnaZWKisg"
	s := NewSecret(value)
	if s.Reveal() != value {
		t.Fatal("the secret is not there, the test would prove nothing")
	}
	type outer struct {
		Public Secret
		hidden Secret
		Ptr    *Secret
	}
	o := outer{s, s, &s}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "o", o)
	js, err := json.Marshal(map[string]any{"s": s, "o": o})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMerchant(MerchantConfig{MerchantID: "2000132", HashKey: s, HashIV: s})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{log.String(), string(js), s.String(), fmt.Errorf("x %w %v", errors.New("y"), s).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		texts = append(texts, fmt.Sprintf(verb, s), fmt.Sprintf(verb, o), fmt.Sprintf(verb, &o), fmt.Sprintf(verb, m), fmt.Sprintf(verb, *m))
	}
	hexed := fmt.Sprintf("%x", value)
	for _, text := range texts {
		if strings.Contains(text, value) || strings.Contains(strings.ToLower(text), hexed) {
			t.Errorf("the secret shows in %s", text)
		}
	}
	if !s.Equal(NewSecret(value)) || s.Equal(NewSecret("other")) || !(Secret{}).IsZero() {
		t.Error("Equal or IsZero is wrong")
	}
}

func FuzzOpen(f *testing.F) {
	c := testCodec(f, "ejCk326UnaZWKisg", "q9jcZX8Ib9LM8wYk")
	for _, v := range vectors(f) {
		f.Add(v.CipherBase64)
	}
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAA==")
	f.Fuzz(func(t *testing.T, data string) {
		text, err := c.Open(data)
		if err != nil {
			if !errors.Is(err, ErrUnreadable) {
				t.Fatalf("error outside the contract: %v", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("Open returned what is not JSON: %q", text)
		}
	})
}

func FuzzSealOpen(f *testing.F) {
	c := testCodec(f, "ejCk326UnaZWKisg", "q9jcZX8Ib9LM8wYk")
	f.Add("綠界科技 +~!*'()%7B")
	f.Fuzz(func(t *testing.T, s string) {
		text, err := marshalData(map[string]string{"v": s})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Open(c.Seal(text))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("Open(Seal(%q)) = %q, %v", text, got, err)
		}
	})
}

func FuzzUnescapeIsThatOfNetURL(f *testing.F) {
	for _, s := range []string{"", "a+b%20c", "%", "%4", "%zz", "%e7%B6%a0", "100%", "+%2B~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := url.QueryUnescape(s)
		inPlace := []byte(s)
		got, ok := unescape(make([]byte, len(s)), inPlace)
		if again, okAgain := unescape(inPlace, inPlace); ok != okAgain || !bytes.Equal(got, again) {
			t.Fatalf("unescape(%q) in place = %q, %v; else %q, %v", s, again, okAgain, got, ok)
		}
		if ok != (err == nil) || ok && string(got) != want {
			t.Fatalf("unescape(%q) = %q, %v; net/url says %q, %v", s, got, ok, want, err)
		}
	})
}

func TestOpenTakesJSONThatWasNeverEscaped(t *testing.T) {
	t.Parallel()
	c := testCodec(t, "ejCk326UnaZWKisg", "q9jcZX8Ib9LM8wYk")
	// encrypted as it is
	seal := func(text string) string {
		buf := []byte(text)
		pad := aes.BlockSize - len(buf)%aes.BlockSize
		buf = append(buf, bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(c.block, c.iv[:]).CryptBlocks(buf, buf)
		return base64.StdEncoding.EncodeToString(buf)
	}
	for text, want := range map[string]string{
		`{"a":"100%"}`: `{"a":"100%"}`, `{"a":1}`: `{"a":1}`, `{"a":"1+1"}`: `{"a":"1+1"}`,
		`{"a":"%41"}`: `{"a":"%41"}`, ` ["+"]`: ` ["+"]`, `{"a":"%22"}`: `{"a":"%22"}`,
		"%7B%22a%22%3A1%7D": `{"a":1}`, "%7B%22a%22%3A1": "", `%7B%22a":"%`: "", "%7B%7D%7D": "", `%22"`: `""`, `%22%22"`: "",
	} {
		got, err := c.Open(seal(text))
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("Open of %s = %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestCodecAllocatesLittle(t *testing.T) {
	c := testCodec(t, "ejCk326UnaZWKisg", "q9jcZX8Ib9LM8wYk")
	text := []byte(`{"MerchantID":"2000132","Remark":"` + strings.Repeat("備註 ", 20) + `"}`)
	sealed := c.Seal(text)
	if n := testing.AllocsPerRun(100, func() { c.Seal(text) }); n > 4 {
		t.Errorf("Seal allocates %v times, want at most 4", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Open(sealed) }); n > 4 {
		t.Errorf("Open allocates %v times, want at most 4", n)
	}
}

func BenchmarkSealOpen(b *testing.B) {
	c := testCodec(b, "ejCk326UnaZWKisg", "q9jcZX8Ib9LM8wYk")
	text := []byte(
		`{"MerchantID":"2000132","InvoiceNumber":"VG11000002","InvoiceDate":"2019-09-23","Reason":"` +
			strings.Repeat("r", 20) + `","Remark":"` + strings.Repeat("R", 180) + `"}`,
	)
	sealed := c.Seal(text)
	b.Run("Seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Seal(text)
		}
	})
	b.Run("Open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Open(sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
