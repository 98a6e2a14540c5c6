package ecpaytest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type vector struct {
	Name         string `json:"name"`
	Key          string `json:"key"`
	IV           string `json:"iv"`
	PlainJSON    string `json:"plain_json"`
	URLEncoded   string `json:"urlencoded"`
	CipherBase64 string `json:"cipher_base64"`
	Official     bool   `json:"official"`
	HexCase      string `json:"hex_case"`
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestCodecAgreesWithThePublishedVectors(t *testing.T) {
	t.Parallel()
	official := 0
	for _, v := range readVectors(t) {
		if v.Official {
			official++
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			k := newKeys(v.Key, v.IV)
			opened, err := k.open(v.CipherBase64)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.PlainJSON, string(opened)); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
			if v.HexCase == "lower" {
				return // accepted, never sent
			}
			if diff := cmp.Diff(v.URLEncoded, phpURLEncode(v.PlainJSON)); diff != "" {
				t.Errorf("phpURLEncode (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(v.CipherBase64, k.seal([]byte(v.PlainJSON))); diff != "" {
				t.Errorf("seal (-want +got):\n%s", diff)
			}
		})
	}
	if official < 7 {
		t.Errorf("got %d official vectors, want at least 7", official)
	}
}

func TestPHPURLEncode(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, in, want string }{
		{"brackets and tilde", "Items (Special)~Test", "Items+%28Special%29%7ETest"},
		{"apostrophe", "Tom's Shop!", "Tom%27s+Shop%21"},
		{"query characters", "price=100&item=test*2", "price%3D100%26item%3Dtest%2A2"},
		{"nothing to do", "file_name-v2.0", "file_name-v2.0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := phpURLEncode(row.in); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestOpenTakesWhatClientsReallySend(t *testing.T) {
	t.Parallel()
	k := newKeys(StageHashKey, StageHashIV)
	for _, row := range []struct{ name, encoded, want string }{
		{"percent for space", "%7B%22A%22%3A%22x%20y%22%7D", `{"A":"x y"}`},
		{"plus for space", "%7B%22A%22%3A%22x+y%22%7D", `{"A":"x y"}`},
		{"bare characters", `%7B"A":%22x+y"}`, `{"A":"x y"}`},
		{"never encoded", `{"A":"1+1 %41"}`, `{"A":"1+1 %41"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			sealed := sealEncoded(k, row.encoded)
			got, err := k.open(sealed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// spaced is what was sealed as it comes through a form that nobody escaped.
func spaced(k keys) string {
	for n := 0; ; n++ {
		if sealed := k.seal(fmt.Appendf(nil, `{"N":%d}`, n)); strings.Contains(sealed, "+") {
			return strings.ReplaceAll(sealed, "+", " ")
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	k := newKeys(StageHashKey, StageHashIV)
	for _, row := range []struct{ name, data string }{
		{"empty", ""},
		{"no base64", "%%%"},
		{"URL-safe base64", "__--"},
		{"a plus that became a space", spaced(k)},
		{"part of a block", "AAAA"},
		{"another key", otherKeys.seal([]byte(`{"MerchantID":"2000132"}`))},
		{"bad escape", sealEncoded(k, "%zz")},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got, err := k.open(row.data); err == nil {
				t.Errorf("got %q, want an error", got)
			}
		})
	}
}

func FuzzSealOpen(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.PlainJSON)
	}
	k := newKeys(StageHashKey, StageHashIV)
	f.Fuzz(func(t *testing.T, in string) {
		got, err := k.open(k.seal([]byte(in)))
		if err != nil || string(got) != in {
			t.Errorf("got %q, %v, want %q", got, err, in)
		}
		_, _ = k.open(in) // must not panic
	})
}
