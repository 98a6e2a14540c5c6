package auth

import (
	"strings"
	"testing"
)

func token(name, hash string) Token {
	return Token{Name: name, Hash: hash, Merchants: []string{"2000132"}, May: []Right{Enqueue}}
}

func TestOnlyATokenWhoseHashIsKnownIsAccepted(t *testing.T) {
	t.Parallel()
	first, firstHash := New()
	second, secondHash := New()
	stranger, _ := New()
	tokens, err := NewTokens([]Token{token("first", firstHash), token("second", secondHash)})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Bearer " + first: "first", "bearer " + second: "second", "Bearer  " + second + " ": "second",
		"Bearer " + stranger: "", "Bearer ": "", "Bearer": "", "": "", "Basic " + first: "", first: "",
		"Bearer " + first[:len(first)-1]: "", "Bearer " + first + "A": "", "Bearer " + firstHash: "",
		"Bearer " + strings.Repeat("A", 1<<20): "", "Bearer " + first + ", Bearer " + second: "",
	} {
		got, ok := tokens.Bearer(header)
		if got.Name != want || ok != (want != "") {
			t.Errorf("%.40q: got %q and %t, want %q", header, got.Name, ok, want)
		}
	}
	if first == second || len(first) < 40 {
		t.Errorf("got the tokens %q and %q", first, second)
	}
}

func TestATokenThatSaysTooLittleIsRefusedWithoutItsHash(t *testing.T) {
	t.Parallel()
	_, hash := New()
	for want, list := range map[string][]Token{
		"name must be":                {token("", hash)},
		"token 2: name":               {token("a", hash), token("a b", hash)},
		`"sha256:" and 64`:            {token("a", strings.TrimPrefix(hash, "sha256:"))},
		`as ecpayq api token`:         {token("a", "sha256:secret")},
		"merchants is required":       {{Name: "a", Hash: hash, May: []Right{Read}}},
		"at most 10 letters":          {{Name: "a", Hash: hash, May: []Right{Read}, Merchants: []string{"{x}"}}},
		`"*" beside others`:           {{Name: "a", Hash: hash, May: []Right{Read}, Merchants: []string{"1", "*"}}},
		"may is required":             {{Name: "a", Hash: hash, Merchants: []string{"*"}}},
		"may must be of":              {{Name: "a", Hash: hash, Merchants: []string{"*"}, May: []Right{"write"}}},
		"two have this name":          {token("a", hash), token("a", "")}, // given its own below
		"it is the same as that of a": {token("a", hash), token("b", hash)},
	} {
		if want == "two have this name" {
			_, other := New()
			list[1].Hash = other
		}
		_, err := NewTokens(list)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), hash[10:]) {
			t.Errorf("got %v, want an error that says %q and no hash", err, want)
		}
	}
}

func TestATokenOwnsItsMerchantsOnly(t *testing.T) {
	t.Parallel()
	some := Token{Merchants: []string{"1", "2"}, May: []Right{Read}}
	if !some.Owns("2") || some.Owns("3") || some.Owns("*") || some.All() || some.Can(Operate) || !some.Can(Read) {
		t.Errorf("%+v owns or may too much or too little", some)
	}
	if all := Everything("local"); !all.Owns("3") || !all.Owns("-") || !all.Can(Operate) {
		t.Errorf("%+v owns or may too little", all)
	}
}

func FuzzBearer(f *testing.F) {
	known, hash := New()
	tokens, err := NewTokens([]Token{token("known", hash)})
	if err != nil {
		f.Fatal(err)
	}
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer " + known, "bearer\t" + known, "Bearer " + known + " x"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if _, ok := tokens.Bearer(header); ok && !strings.HasSuffix(strings.TrimSpace(header), known) {
			t.Errorf("accepted %q", header)
		}
	})
}
