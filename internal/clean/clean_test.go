package clean

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// bad are characters that nothing shows: ESC, BEL, DEL, CSI and others of C1, the turns of
// direction, the separators of lines, what has no width, and what only tags.
var bad = []rune{0, 7, 0x1b, 0x7f, 0x80, 0x85, 0x9b, 0x9d, 0xad, 0x61c, 0x180e, 0x200b, 0x200d, 0x200e,
	0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0x3164, 0xfeff, 0xfff9, 0xe0001, 0xe0041}

const good = "訂單取消 Café 「，。」 ａ　b 😀 \ue000 葛\U000e0100"

func TestWhatIsHiddenIsMarkedInTextsAndEscapedInJSON(t *testing.T) {
	t.Parallel()
	for _, r := range bad {
		text := "a" + string(r) + "b"
		if got := Text(text); got != "a\ufffdb" {
			t.Errorf("text with %U: got %q", r, got)
		}
		if got := string(Page([]byte("\t" + text + "\n"))); got != "\ta\ufffdb\n" {
			t.Errorf("page with %U: got %q", r, got)
		}
		line, err := json.Marshal(map[string]string{text: text})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if n, err := Writer(&out).Write(append(line, '\n')); n != len(line)+1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil ||
			back[text] != text || bytes.ContainsFunc(bytes.TrimSpace(out.Bytes()), hidden) {
			t.Errorf("JSON with %U: got %q, which is %q", r, out.Bytes(), back)
		}
		var shown map[string]string
		if err := json.Unmarshal(Shown(line), &shown); err != nil ||
			strings.ContainsFunc(shown["a\ufffdb"]+shown["a\ufffd\ufffdb"], hidden) || len(shown) != 1 {
			t.Errorf("JSON to be shown, with %U: got %q, which is %q, %v", r, Shown(line), shown, err)
		}
		if v, _ := Value(map[string]any{text: []any{text, 1.5}}).(map[string]any); v["a\ufffdb"].([]any)[0] != "a\ufffdb" {
			t.Errorf("value with %U: got %q", r, v)
		}
	}
	for what, got := range map[string]string{
		"a text": Text(good), "a page": string(Page([]byte(good))), "JSON": string(JSON([]byte(good))),
	} {
		if got != good {
			t.Errorf("%s: got %q, want %q as it was", what, got, good)
		}
	}
	if got := Text("a\tb\r\nc\xffd"); got != "a b  c\ufffdd" {
		t.Errorf("got %q", got)
	}
	if got := JSON([]byte("\"a\xffb\"\n")); string(got) != "\"a\\ufffdb\"\n" {
		t.Errorf("got %q", got)
	}
	for in, want := range map[string]string{
		`{"a\\u001bb":["\u001b\n\udb40\udc41\"<", 12345678901234567890]}`: `{"a\\u001bb":["` +
			"\ufffd \ufffd" + `\"<",12345678901234567890]}` + "\n",
		"no JSON: \u202e": "no JSON: \ufffd",
	} {
		if got := string(Shown([]byte(in))); got != want {
			t.Errorf("%s to be shown: got %q, want %q", in, got, want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":"\u001b\\u202e` + "\u202e" + `"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var was, is any
		if json.Unmarshal(b, &was) != nil {
			return
		}
		if err := json.Unmarshal(JSON(b), &is); err != nil || !reflect.DeepEqual(was, is) {
			t.Errorf("%q becomes %q, %v", b, JSON(b), err)
		}
	})
}
