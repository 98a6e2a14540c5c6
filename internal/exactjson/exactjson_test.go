package exactjson_test

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/exactjson"
)

type inner struct {
	Tsr      string
	DelayDay *int `json:",omitempty"`
}

type outer struct {
	inner
	Type  string           `json:"type"`
	Data  exactjson.Object `json:"data"`
	List  []inner          `json:"list"`
	Byte  int8             `json:"byte"`
	Count uint             `json:"count"`
	Ratio float64          `json:"ratio"`
	Flag  bool             `json:"flag"`
	Map   map[string]inner `json:"map"`
	Any   any              `json:"any"`
	Raw   json.RawMessage  `json:"raw"`
	Deep  *outer           `json:"deep"`
	Skip  string           `json:"-"`
}

// secret stands in values that are refused: no error may quote it.
const secret = "S3CRET"

// texts are what is read, and how it is refused: want is empty for one that is taken.
var texts = map[string]struct{ text, want string }{
	"everything": {`{"Tsr":"a","type":"t","data":{"x":[1.5,true,null]},"list":[{"Tsr":"b"},{}],"byte":-128,"count":0,"ratio":1e1,` +
		`"flag":true,"map":{"k":{"DelayDay":3}},"any":[{"a":1}],"raw":{},"deep":{"flag":false}}`, ""},
	"space around it":        {" \r\n{ \"Tsr\" : \"a\" , \"list\" : [ { } , { } ] }\t", ""},
	"a name that is escaped": {`{"\u0054sr":"a"}`, ""},
	"null for what is optional": {
		`{"Tsr":null,"DelayDay":null,"list":null,"map":null,"any":null,"deep":null,"flag":null,"byte":null}`, "",
	},
	"a whole pair of surrogates":       {`{"Tsr":"\ud83d\ude00\\ud800"}`, ""},
	"a name in another case":           {`{"TSR":"S3CRET"}`, `unknown field "TSR": names are exact, it is "Tsr"`},
	"a name by folding":                {`{"tſr":"S3CRET"}`, `unknown field "tſr": names are exact, it is "Tsr"`},
	"a name nobody knows":              {`{"Tsrr":"S3CRET"}`, `unknown field "Tsrr"`},
	"a name inside a list":             {`{"list":[{},{"tsr":"S3CRET"}]}`, `unknown field "list[1].tsr": names are exact, it is "Tsr"`},
	"a name that is left out":          {`{"Skip":"S3CRET"}`, `unknown field "Skip"`},
	"no name":                          {`{"":"S3CRET"}`, `unknown field "\"\""`},
	"two values":                       {`{"Tsr":"S3CRET","Tsr":"S3CRET"}`, `field "Tsr" is there twice`},
	"two values, one name escaped":     {`{"Tsr":"S3CRET","\u0054sr":"S3CRET"}`, `field "Tsr" is there twice`},
	"two values, in another case":      {`{"Tsr":"S3CRET","TSR":"S3CRET"}`, `unknown field "TSR": names are exact, it is "Tsr"`},
	"two values deep inside":           {`{"deep":{"deep":{"flag":true,"flag":true}}}`, `field "deep.deep.flag" is there twice`},
	"two values in a map":              {`{"map":{"S":{},"S":{}}}`, `field "map.S" is there twice`},
	"two values where anything may be": {`{"any":[0,{"a":"S3CRET","a":1}]}`, `field "any[1].a" is there twice`},
	"two values in what is read later": {`{"data":{"a":1,"a":"S3CRET"}}`, `field "data.a" is there twice`},
	"two values after many": {`{"any":{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0,"2":0}}`,
		`field "any.2" is there twice`},
	"the ninth twice": {`{"any":{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"9":0}}`,
		`field "any.9" is there twice`},
	"PHP's empty array": {`{"data":[]}`,
		`field "data" has the wrong JSON type: it must be an object, not a list; PHP writes an empty array as [], (object)[] as {}`},
	"a list for an object": {`{"data":["S3CRET"]}`, `field "data" has the wrong JSON type: it must be an object`},
	"null for an object":   {`{"data":null}`, `field "data" has the wrong JSON type: it must be an object`},
	"null for all of it":   {` null`, `the value has the wrong JSON type: it must be an object`},
	"a list for all of it": {`[ ]`,
		`the value has the wrong JSON type: it must be an object, not a list; PHP writes an empty array as [], (object)[] as {}`},
	"an object for a list": {`{"list":{}}`, `field "list" has the wrong JSON type: it must be a list`},
	"a number for text":    {`{"Tsr":7}`, `field "Tsr" has the wrong JSON type: it must be text in double quotes`},
	"text for a number": {`{"DelayDay":"S3CRET"}`,
		`field "DelayDay" has the wrong JSON type: it must be a whole number in decimal digits`},
	"text for true": {`{"flag":"true"}`, `field "flag" has the wrong JSON type: it must be true or false`},
	"a power of ten": {`{"DelayDay":1e1}`,
		`field "DelayDay" has the wrong JSON type: it must be a whole number in decimal digits`},
	"a fraction of nothing": {`{"DelayDay":1.0}`,
		`field "DelayDay" has the wrong JSON type: it must be a whole number in decimal digits`},
	"nothing below zero": {`{"DelayDay":-0}`,
		`field "DelayDay" has the wrong JSON type: it must be a whole number in decimal digits`},
	"a number out of range": {`{"byte":128}`,
		`field "byte" has the wrong JSON type: it must be a whole number in decimal digits`},
	"a negative count": {`{"count":-1}`,
		`field "count" has the wrong JSON type: it must be a whole number in decimal digits, not negative`},
	"a leading zero":                     {`{"DelayDay":010}`, `not JSON at byte 14, at "DelayDay"`},
	"a plus":                             {`{"Tsr":"S3CRET:","DelayDay":+1}`, `not JSON at byte 29, at "DelayDay"`},
	"a hexadecimal number":               {`{"DelayDay":0x10}`, `not JSON at byte 14, at "DelayDay"`},
	"digits in groups":                   {`{"DelayDay":1_000}`, `not JSON at byte 14, at "DelayDay"`},
	"nothing":                            {"", "not JSON: there is nothing"},
	"only space":                         {" \r\n", "not JSON: there is nothing"},
	"cut short":                          {`{"Tsr":"S3CRET`, `not JSON at byte 14, at "Tsr"`},
	"a number cut short":                 {`12.`, `not JSON at byte 3`},
	"two texts":                          {`{}{}`, `more than one JSON value: something follows at byte 3`},
	"a stray bracket":                    {`{}]`, `more than one JSON value: something follows at byte 3`},
	"a comment":                          {`{"Tsr":"a"/*S3CRET*/}`, `not JSON at byte 11, at "Tsr"`},
	"bytes that are no UTF-8":            {"{\"Tsr\":\"S3CRET\xa7\"}", `not JSON: text that is not UTF-8`},
	"half of a pair of surrogates":       {`{"Tsr":"S3CRET\ud800"}`, `field "Tsr" is not UTF-8`},
	"the other half":                     {`{"Tsr":"\\\udc00S3CRET"}`, `field "Tsr" is not UTF-8`},
	"two first halves":                   {`{"Tsr":"\ud800\ud800"}`, `field "Tsr" is not UTF-8`},
	"a first half before another escape": {`{"Tsr":"\ud800\n\udc00"}`, `field "Tsr" is not UTF-8`},
}

func TestATextIsTakenOnlyAsItIsWritten(t *testing.T) {
	t.Parallel()
	for name, row := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got, want outer
			err := exactjson.Unmarshal([]byte(row.text), &got)
			if row.want == "" {
				if err != nil {
					t.Fatalf("got error %v, want none", err)
				}
				if err := json.Unmarshal([]byte(row.text), &want); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(outer{})); diff != "" {
					t.Errorf("against encoding/json (-want +got):\n%s", diff)
				}
				return
			}
			var own *exactjson.Error
			if !errors.As(err, &own) {
				t.Fatalf("got error %v, want an *Error", err)
			}
			if err.Error() != row.want {
				t.Errorf("got %q, want %q", err, row.want)
			}
			if zh := own.ZhTW(); !strings.ContainsFunc(zh, func(r rune) bool { return unicode.Is(unicode.Han, r) }) || strings.HasSuffix(zh, "須為") {
				t.Errorf("got %q in Chinese", zh)
			}
			if strings.Contains(err.Error()+own.ZhTW(), secret) {
				t.Errorf("the error quotes a value: %q", err)
			}
		})
	}
}

// What a name may do in an error: it comes from outside as values do.
func TestANameInAnErrorIsShortAndHarmless(t *testing.T) {
	t.Parallel()
	err := exactjson.Unmarshal([]byte(`{"`+strings.Repeat("長", 300)+`":1}`), new(outer))
	if len(err.Error()) > 100 {
		t.Errorf("got an error of %d bytes", len(err.Error()))
	}
	err = exactjson.Unmarshal([]byte(`{"\u001b[31m\u202e":1}`), new(outer))
	if want := `unknown field "?[31m?"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// oracle finds doubled names, token by token.
func oracle(text []byte) (names []string, twice bool, err error) {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	var levels []map[string]bool // nil for a list
	isName := false
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return names, twice, nil
		}
		if err != nil {
			return nil, false, err
		}
		top := len(levels) - 1
		if name, ok := token.(string); ok && isName {
			twice = twice || levels[top][name]
			levels[top][name] = true
			names = append(names, name)
			isName = false
			continue
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, map[string]bool{})
		case json.Delim('['):
			levels = append(levels, nil)
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:top]
		}
		isName = len(levels) > 0 && levels[len(levels)-1] != nil
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, text := range []string{
		`{"Tsr":"a","DelayDay":7,"type":"t","data":{"x":[1,{"y":null}]},"list":[{"Tsr":"b"}],"count":1}`,
		`{"Tsr":"AA","TSR":"BB"}`, `{"tſr":"a"}`, `{"any":{"a":1,"a":2}}`, `{"data":[]}`, `{}]`, `{"DelayDay":-0}`, `{"DelayDay":1e1}`,
		`{"Tsr":"\ud83d\ude00","any":"\ud800"}`, "{\"Tsr\":\"\xa7\"}", ` [ ] `,
		`null`, ``, `{"map":{"":{}}}`, `{"raw":{"a":[[[{}]]]},"ratio":-0.5e-3}`,
	} {
		f.Add([]byte(text))
	}
	known := map[string]bool{}
	for _, t := range []reflect.Type{reflect.TypeFor[outer](), reflect.TypeFor[inner]()} {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "" {
				name = t.Field(i).Name
			}
			known[name] = true
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got outer
		err := exactjson.Unmarshal(text, &got)
		var anything any
		if exactjson.Unmarshal(text, &anything) == nil {
			if _, twice, err := oracle(text); twice || err != nil {
				t.Fatalf("%q was taken as anything: twice %v, %v", text, twice, err)
			}
		} else if _, twice, oerr := oracle(text); oerr == nil && !twice && json.Valid(text) &&
			!strings.Contains(string(text), `\u`) && !strings.Contains(strings.ToValidUTF8(string(text), "\x00"), "\x00") {
			t.Fatalf("%q was refused, and is JSON without doubled names", text)
		}
		if err != nil {
			var own *exactjson.Error
			if !errors.As(err, &own) {
				t.Fatalf("an error outside the contract: %v", err)
			}
			if own.Field == "" && len(err.Error()) > 200 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		var want outer
		dec := json.NewDecoder(strings.NewReader(string(text)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("%q was taken; encoding/json says %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outer{})); diff != "" {
			t.Fatalf("%q (-encoding/json +ours):\n%s", text, diff)
		}
		if got.Any == nil && got.Raw == nil && got.Data == nil && got.Map == nil && got.Deep == nil {
			names, _, _ := oracle(text)
			for _, name := range names {
				if !known[name] {
					t.Fatalf("%q was taken with the name %q", text, name)
				}
			}
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	text := []byte(`{"MerchantID":"2000132","Tsr":"BATCH0000001","PayType":"2","RelateNumber":"R1","DelayDay":0}`)
	b.ReportAllocs()
	for b.Loop() {
		var p struct {
			MerchantID, Tsr, PayType, RelateNumber string
			DelayDay                               *int
		}
		if err := exactjson.Unmarshal(text, &p); err != nil {
			b.Fatal(err)
		}
	}
}
