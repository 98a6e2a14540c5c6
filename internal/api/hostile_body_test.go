package api_test

import (
	"fmt"
	"strings"

	"github.com/ecpayq/ecpayq/internal/intents"
)

// texts are bodies that are not the JSON of one intent.
func texts() []ask {
	secret := `"` + marker + `"`
	var list []ask
	of := func(name, body string, want int) {
		list = append(list, ask{name, "POST", "/v1/intents", body, want, nil})
	}
	of("lists in lists", strings.Repeat("[", 8500)+strings.Repeat("]", 8500), 400)
	of("lists that do not end", strings.Repeat("[", 17_000), 400)
	of("objects in objects", strings.Repeat(`{"a":`, 2500)+secret+strings.Repeat("}", 2500), 400)
	of("objects in data", `{"type":"b2c:trigger_issue","data":`+strings.Repeat(`{"a":`, 2500)+secret+strings.Repeat("}", 2500)+"}", 400)
	of("too deep for any parser", `{"type":`+strings.Repeat("[", 10_100)+"1", 400)
	of("a byte order mark", "\ufeff"+smuggled, 400)
	of("a NUL before", "\x00"+smuggled, 400)
	of("a NUL after", smuggled+"\x00", 400)
	of("something after", smuggled+secret, 400)
	of("a bracket after", smuggled+"}", 400)
	of("two", smuggled+"\n"+smuggled, 400)
	of("a comma after", strings.TrimSuffix(smuggled, "}")+",}", 400)
	of("a comment", strings.Replace(smuggled, ",", "/*"+marker+"*/,", 1), 400)
	of("single quotes", strings.ReplaceAll(smuggled, `"`, "'"), 400)
	of("no quotes", `{type:`+secret+`}`, 400)
	of("other quotes", strings.ReplaceAll(smuggled, `"`, "“"), 400)
	of("another space", strings.Replace(smuggled, ":", ":\u00a0", 1), 400)
	of("a vertical tab", "\v"+smuggled, 400)
	of("a value where a name is", `{"type":`+secret+`:1}`, 400)
	of("a value in a list where a name is", `[`+secret+`:1]`, 400)
	of("a line end in a string", `{"type":"`+marker+"\n\"}", 400)
	of("a string that does not end", `{"type":"`+marker, 400)
	of("an escape that is none", `{"type":"\x41`+marker+`"}`, 400)
	of("half an escape", `{"type":"`+marker+`\u00"}`, 400)
	of("not UTF-8", intent("\xff"), 400)
	of("too long a form of UTF-8", intent("\xc0\xaf"), 400)
	of("surrogates as UTF-8", intent("\xed\xa0\x80"), 400)
	of("half a pair", `{"type":"b2c:trigger_issue\ud800","data":{"a":`+secret+`}}`, 422)
	of("half a pair in data", intent(`\udc00`+marker), 422)
	of("half a pair in a name", `{"\ud800":`+secret+`}`, 400)
	of("a pair the wrong way", intent(`\udc00\ud800`+marker), 422)
	of("null", "null", 400)
	of("null with space", " null\n", 400)
	of("a number", "1e400", 400)
	of("not a number", `{"type":NaN}`, 400)
	of("a number with a zero before", `{"type":01}`, 400)
	of("text", secret, 400)
	of("spaces", strings.Repeat(" ", 17_000), 400)
	of("much too long", `{"type":"`+strings.Repeat(marker, intents.MaxSize)+`"}`, 413)
	of("a name twice by an escape", `{"type":`+secret+`,"\u0074ype":"b2c:trigger_issue","data":{}}`, 400)
	of("a name twice in data", `{"type":"b2c:trigger_issue","data":{"Tsr":`+secret+`,"\u0054sr":"A"}}`, 400)
	of("a name in other letters", `{"type":"b2c:trigger_issue","data":{"T\u017fr":`+secret+`}}`, 400)
	of("a name with a space", `{"type ":`+secret+`}`, 400)
	of("an empty name", `{"":`+secret+`}`, 400)
	of("a name with a NUL", `{"type\u0000":`+secret+`}`, 400)
	of("a name of 10 KB", `{"`+strings.Repeat("n", 10_000)+`":`+secret+`}`, 400)
	of("a prototype", `{"__proto__":{"type":`+secret+`}}`, 400)
	of("1,000 names", "{"+strings.Repeat(`"a":1,`, 1000)+`"b":1}`, 400)
	of("a form", "type=b2c%3Atrigger_issue&data="+marker, 400)
	of("XML", `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///`+marker+`">]><a>&b;</a>`, 400)
	return list
}

// values are intents of which a value is wrong.
func values() []ask {
	var list []ask
	of := func(name, body string, want int) {
		list = append(list, ask{name, "POST", "/v1/intents", body, want, nil})
	}
	with := func(data string) string {
		return `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"A1",` + data + `}}`
	}
	at := func(v string) string { return strings.Replace(smuggled, `"data"`, `"process_at":`+v+`,"data"`, 1) }
	for _, n := range []string{"1e400", "1e1", "-0", "1.0", "-1", "99999999999999999999", strings.Repeat("9", 16_000), `"1"`, "[1]", "true"} {
		of(fmt.Sprintf("DelayDay %.20s", n), with(`"DelayDay":`+n), 422)
	}
	for _, v := range []string{
		"", marker + "/", `\u0000`, `A\u0000B`, `A\nB`, `A B`, "../A", "A/B", "{A}", "A}B{", "A:B", "*", "台灣", `\u202eA`,
		strings.Repeat("9", 31),
		"%00",
		"~41", "A'B", `A\"B`, "<b>", "${A}", strings.Repeat("9", 15_000),
	} {
		of(fmt.Sprintf("Tsr %.20q", v), intent(v), 422)
		of(fmt.Sprintf("MerchantID %.20q", v), strings.Replace(smuggled, "2000132", v, 1), 422)
	}
	for _, v := range []string{
		`"` + marker + `"`, `""`, "1767225600", "{}", "true", `"2036-01-01"`, `"2036-13-01T00:00:00Z"`, `"2036-01-01T00:00:00Z\u0000"`,
		`"2036-01-01T00:00:00"`, `" 2036-01-01T00:00:00Z"`, `"+10000-01-01T00:00:00Z"`, `"2036-02-30T00:00:00Z"`, `"2036-01-01T25:00:00Z"`,
	} {
		of("process_at "+v, at(v), 422)
	}
	of("a type that is a path", strings.Replace(smuggled, "b2c:trigger_issue", "../"+marker, 1), 422)
	of("a type with a NUL", strings.Replace(smuggled, "b2c:trigger_issue", `b2c:trigger_issue\u0000`, 1), 422)
	of("replace_dead as text", strings.Replace(smuggled, `"data"`, `"replace_dead":"`+marker+`","data"`, 1), 422)
	of("replace_dead as a number", strings.Replace(smuggled, `"data"`, `"replace_dead":1,"data"`, 1), 422)
	of("data as text", `{"type":"b2c:trigger_issue","data":"`+marker+`"}`, 422)
	of("data of null", `{"type":"b2c:trigger_issue","data":null}`, 422)
	of("a queue of one's own", strings.Replace(smuggled, `"data"`, `"queue":"`+marker+`","data"`, 1), 400)
	of("an id of one's own", strings.Replace(smuggled, `"data"`, `"id":"`+marker+`","data"`, 1), 400)
	return list
}

func acts() []ask {
	const path = "/v1/tasks/b2c.trigger_issue.2000132.NOBODY/"
	secret := `"` + marker + `"`
	var list []ask
	of := func(name, act, body string, want int) {
		list = append(list, ask{act + ", " + name, "POST", path + act, body, want, nil})
	}
	for _, act := range []string{"cancel", "resolve", "replay"} {
		of("of nobody", act, `{"note":`+secret+`}`, 404)
		of("a note that is a list", act, `{"note":[`+secret+`]}`, 422)
		of("a note that is long", act, `{"note":"`+strings.Repeat(marker, 200)+`"}`, 422)
		of("a note twice", act, `{"note":"a","not\u0065":`+secret+`}`, 400)
		of("half a pair in a note", act, `{"note":"`+marker+`\ud800"}`, 422)
		of("something after", act, `{"note":"a"}`+secret, 400)
		of("half of it", act, `{"note":`+secret, 400)
		of("a name of nobody", act, `{"note":"a","by":`+secret+`}`, 400)
		of("a correction that is a list", act, `{"note":"a","set":[`+secret+`]}`, 422)
		of("corrections in corrections", act, `{"note":"a","set":{"a":{"b":`+secret+`}}}`, 422)
		of("a correction twice", act, `{"note":"a","set":{"a":"b","\u0061":`+secret+`}}`, 400)
		of("a word that is text", act, `{"note":"a","not_executed":`+secret+`}`, 422)
		of("a list", act, `[`+secret+`]`, 400)
		of("null", act, "null", 400)
		of("much", act, `{"note":"`+strings.Repeat(marker, intents.MaxSize)+`"}`, 413)
	}
	of("no note", "cancel", `{"note":"\u3000\u00a0"}`, 422)
	of("no note", "resolve", `{"note":null}`, 422)
	return list
}
