package api_test

import (
	"fmt"
	"strings"

	"github.com/ecpayq/ecpayq/internal/intents"
)

// Where a body ends is said once, or the request is none.
func framings() []shot {
	n := fmt.Sprintf("Content-Length: %d", len(taken))
	hidden := wire("POST /v1/intents HTTP/1.1", smuggled, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(smuggled)))
	return []shot{
		{"a length and chunks", chunked(inChunk(taken), "Content-Length: 6"), "200"},
		{"chunks and a length that hides a request", chunked("0\r\n\r\n"+hidden, fmt.Sprintf("Content-Length: %d", 5+len(hidden))), "400"},
		{"two lengths", posted(smuggled, "Content-Length: 3", n), "400"},
		{"two lengths, the first is right", posted(smuggled, fmt.Sprintf("Content-Length: %d", len(smuggled)), "Content-Length: 3"), "400"},
		{"the same length twice", posted(taken, n, n), "200"},
		{"a list of lengths", posted(smuggled, "Content-Length: 3, 3"), "400"},
		{"a length with a sign", posted(smuggled, "Content-Length: +77"), "400"},
		{"a negative length", posted(smuggled, "Content-Length: -1"), "400"},
		{"a hexadecimal length", posted(smuggled, "Content-Length: 0x4d"), "400"},
		{"a length with a space in it", posted(smuggled, "Content-Length: 7 7"), "400"},
		{"a length beyond 64 bits", posted(smuggled, "Content-Length: 99999999999999999999"), "400"},
		{"the greatest length", posted(smuggled, "Content-Length: 9223372036854775807"), "413"},
		{"an empty length", posted(smuggled, "Content-Length: "), "400"},
		{"a length in full-width digits", posted(smuggled, "Content-Length: ７７"), "400"},
		{"a length before a colon with a space", posted(smuggled, "Content-Length : 77"), "400"},
		{"a length that is folded", posted(smuggled, "Content-Length:\r\n 3"), "400"},
		{"no length", posted(smuggled), "400"},
		{"less than was said", posted(smuggled, "Content-Length: 200"), "400"},
		{"more than was said", posted(smuggled, "Content-Length: 20"), "400"},
		{"a request after it that was not announced", framed(`{"x":"`+marker+`"}`) + hidden, "400"},
		{"chunks of gzip", posted(inChunk(smuggled), "Transfer-Encoding: gzip, chunked"), "501"},
		{"chunks before gzip", posted(inChunk(smuggled), "Transfer-Encoding: chunked, gzip"), "501"},
		{"identity", posted(smuggled, "Transfer-Encoding: identity", n), "501"},
		{"no such encoding", posted(inChunk(smuggled), "Transfer-Encoding: x"+marker), "501"},
		{"chunks in quotes", posted(inChunk(smuggled), `Transfer-Encoding: "chunked"`), "501"},
		{"chunks twice in a header", posted(inChunk(smuggled), "Transfer-Encoding: chunked, chunked"), "501"},
		{"chunks in two headers", posted(inChunk(smuggled), "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "501"},
		{"chunks and something else", posted(inChunk(smuggled), "Transfer-Encoding: chunked", "Transfer-Encoding: x"), "501"},
		{"chunks by a name with a space", posted(inChunk(smuggled), "Transfer-Encoding : chunked"), "400"},
		{"chunks by a name with a tab", posted(inChunk(smuggled), "Transfer-Encoding\t: chunked"), "400"},
		{"chunks after a vertical tab", posted(inChunk(smuggled), "Transfer-Encoding: \vchunked"), "400"},
		{"chunks of HTTP/1.0", strings.Replace(chunked(inChunk(smuggled)), "HTTP/1.1", "HTTP/1.0", 1), "400"},
		{"chunks by another name", posted(inChunk(smuggled), "Transfer_Encoding: chunked"), "400"},
		{"a body of a GET", wire("GET /v1/intents HTTP/1.1", smuggled, n), "405"},
	}
}

func chunkings() []shot {
	size := fmt.Sprintf("%x", len(smuggled))
	part := func(s string) string { return s + "\r\n" + smuggled + "\r\n0\r\n\r\n" }
	return []shot{
		{"no number", chunked(part("zz")), "400"},
		{"nothing for a number", chunked(part("")), "400"},
		{"negative", chunked(part("-1")), "400"},
		{"with a sign", chunked(part("+" + size)), "400"},
		{"with a prefix", chunked(part("0x" + size)), "400"},
		{"with an underscore", chunked(part("4_d")), "400"},
		{"of 64 bits", chunked(part("ffffffffffffffff")), "400"},
		{"of more than 64 bits", chunked(part("1" + strings.Repeat("0", 16))), "400"},
		{"of thousands of zeros", chunked(part(strings.Repeat("0", 5000) + size)), "400"},
		{"a NUL in the size", chunked(part("4\x00d")), "400"},
		{"a bare CR after the size", chunked(size + "\r" + smuggled + "\r\n0\r\n\r\n"), "400"},
		{"no line end after a chunk", chunked(size + "\r\n" + smuggled + "0\r\n\r\n"), "400"},
		{"too short a chunk", chunked("3\r\n" + smuggled + "\r\n0\r\n\r\n"), "400"},
		{"no last chunk", chunked(size + "\r\n" + smuggled + "\r\n"), "400"},
		{"half of the last chunk", chunked(size + "\r\n" + smuggled + "\r\n0"), "400"},
		{"an extension of 20 KB", chunked(part(size + ";" + marker + "=" + strings.Repeat("x", 20_000))), "400"},
		{"a trailer that is a header", chunked("2\r\n{}\r\n0\r\nContent-Length: 500\r\nAuthorization: " + marker + "\r\n\r\n"), "422"},
		{"a trailer that is none", chunked(size + "\r\n" + smuggled + "\r\n0\r\n" + marker + "\r\n\r\n"), "400"},
		{"a trailer of 100 KB", chunked(size + "\r\n" + smuggled + "\r\n0\r\nA: " + strings.Repeat("x", 100_000) + "\r\n\r\n"), "400"},
		{"thousands of tiny chunks", chunked(strings.Repeat("1\r\n \r\n", 5000) + "0\r\n\r\n"), "400"},
		{"a body that does not end", chunked(strings.Repeat("400\r\n"+strings.Repeat("[", 1024)+"\r\n", 2*intents.MaxSize>>10)), "413"},
	}
}

func headerShapes() []shot {
	long := strings.Repeat("x", 70<<10)
	return []shot{
		{"a header of 70 KiB", get("/livez", "X-Long: "+long), "431"},
		{"a name of 70 KiB", get("/livez", long+": x"), "431"},
		{"a target of 70 KiB", get("/" + long), "431"},
		{"a method of 70 KiB", "GET " + long, "431"},
		{"20,000 headers", get("/livez", strings.Repeat("A: b\r\n", 20_000)+"A: b"), "431"},
		{"3,000 headers", get("/livez", strings.Repeat("A: b\r\n", 3000)+"A: b"), "200"},
		{"a folded header", get("/livez", "X-Folded: a\r\n "+marker), "200"},
		{"a fold where there is no header", "GET /livez HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n", "400"},
		{"no colon", get("/livez", marker), "400"},
		{"no name", get("/livez", ": "+marker), "400"},
		{"a name with a space", get("/livez", "X Y: "+marker), "400"},
		{"a name with a NUL", get("/livez", "X\x00Y: "+marker), "400"},
		{"a name that is not ASCII", get("/livez", "標頭: "+marker), "400"},
		{"a value with a NUL", get("/livez", "X: \x00"+marker), "400"},
		{"a value with a bare CR", get("/livez", "X: a\rSmuggled: "+marker), "400"},
		{"a value with an escape", get("/livez", "X: \x1b[2J"+marker), "400"},
		{"line ends without CR", "GET /livez HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n", "200"},
		{"expects what there is not", framed(smuggled, "Expect: "+marker), "417"},
		{"an upgrade to HTTP/2", get("/livez", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), "200"},
		{"an upgrade to a web socket", get("/v1/outcomes", "Upgrade: websocket", "Sec-WebSocket-Key: "+marker), "200"},
		{"a range", get("/openapi.yaml", "Range: bytes=0-0,0-0,0-0,-1"), "200"},
		{"a trace that is none", framed(taken, "traceparent: 00-"+marker, "tracestate: "+strings.Repeat("a=b,", 2000)), "200"},
		{"two traces", framed(taken, "traceparent: 00-"+strings.Repeat("0", 32)+"-"+strings.Repeat("0", 16)+"-01", "traceparent: x"), "200"},
		{"a method in a header", get("/v1/intents", "X-HTTP-Method-Override: POST"), "405"},
		{"an address in a header", get("/v1/tasks", "X-Forwarded-Host: "+marker, "X-Forwarded-For: "+marker, "X-Original-URL: /livez"), "200"},
		{"another site", get("/v1/tasks", "Origin: http://"+marker+".example"), "403"},
		{"another site, and a second one that is this", get("/v1/tasks", "Origin: null", "Origin: http://127.0.0.1"), "403"},
		{"another site says so", framed(smuggled, "Sec-Fetch-Site: cross-site"), "403"},
		{"another site in a way that is new", framed(smuggled, "Sec-Fetch-Site: "+marker), "403"},
	}
}

// Without tokens only names of this machine are answered.
func hosts() []shot {
	var list []shot
	of := func(name, host, want string) {
		list = append(list, shot{name, "GET /v1/tasks HTTP/1.1\r\nConnection: close\r\n" + host + "\r\n\r\n", want})
	}
	of("none", "X: y", "400")
	of("an empty one", "Host: ", "403")
	of("two", "Host: 127.0.0.1\r\nHost: "+marker, "400")
	of("a list", "Host: 127.0.0.1, "+marker, "400")
	of("somebody", "Host: "+marker+"@127.0.0.1", "400")
	of("a path", "Host: 127.0.0.1/"+marker, "400")
	of("a longer name", "Host: 127.0.0.1."+marker, "403")
	of("a longer name of this machine", "Host: localhost."+marker, "403")
	of("a port that is a name", "Host: "+marker+":127.0.0.1", "403")
	of("an address as a number", "Host: 2130706433", "403")
	of("an address in octal", "Host: 0177.0.0.1", "403")
	of("any address", "Host: 0.0.0.0", "403")
	of("an address of another machine in one of this", "Host: [::ffff:10.0.0.1]", "403")
	of("a NUL", "Host: 127.0.0.1\x00"+marker, "400")
	of("of HTTP/1.0, none", "X: y", "400")
	list = append(list,
		shot{"another in the target", "GET http://" + marker + "/v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "403"},
		shot{"none, in HTTP/1.0", "GET /v1/tasks HTTP/1.0\r\n\r\n", "403"},
	)
	return list
}

func firstLines() []shot {
	line := func(s string) string { return wire(s, "") }
	return []shot{
		{"a small method", line("post /v1/intents HTTP/1.1"), "405"},
		{"no such method", line("FOO /v1/intents HTTP/1.1"), "405"},
		{"TRACE", wire("TRACE /v1/intents HTTP/1.1", "", "X: "+marker), "405"},
		{"PATCH", line("PATCH /v1/tasks/b2c.trigger_issue.2000132.A HTTP/1.1"), "405"},
		{"DELETE", line("DELETE /v1/tasks/b2c.trigger_issue.2000132.A HTTP/1.1"), "405"},
		{"HEAD of what is posted", line("HEAD /v1/intents HTTP/1.1"), "405"},
		{"OPTIONS of everything", line("OPTIONS * HTTP/1.1"), "200"},
		{"PUT of everything", line("PUT * HTTP/1.1"), "404"},
		{"CONNECT to a machine", line("CONNECT " + marker + ":443 HTTP/1.1"), "403"},
		{"CONNECT to a path", line("CONNECT /v1/intents HTTP/1.1"), "405"},
		{"a method of 500 letters", line(strings.Repeat("M", 500) + " /v1/intents HTTP/1.1"), "405"},
		{"a method with a NUL", line("PO\x00ST /v1/intents HTTP/1.1"), "400"},
		{"a method with a bracket", line("POST(" + marker + ") /v1/intents HTTP/1.1"), "400"},
		{"no method", line(" /v1/intents HTTP/1.1"), "400"},
		{"no version", line("POST /v1/intents"), "400"},
		{"a small version", line("POST /v1/intents http/1.1"), "400"},
		{"version 9", line("POST /v1/intents HTTP/9.9"), "505"},
		{"version 2 in words", line("POST /v1/intents HTTP/2.0"), "505"},
		{"a version and more", line("POST /v1/intents HTTP/1.1 " + marker), "400"},
		{"tabs", line("POST\t/v1/intents\tHTTP/1.1"), "400"},
		{"two spaces", line("POST  /v1/intents HTTP/1.1"), "400"},
		{"the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "403"},
		{"the beginning of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 200) + "\r\n\r\n", "400"},
		{"another protocol", "SSH-2.0-" + marker + "\r\n\r\n", "400"},
		{"Redis", "*1\r\n$8\r\nFLUSHALL\r\n\r\n", "400"},
		{"only zeros", strings.Repeat("\x00", 300), "400"},
		{"empty lines", strings.Repeat("\r\n", 300), "400"},
		{"nothing", "", ""},
	}
}

// A path is what it is, however it is written.
func targets() []shot {
	var list []shot
	for target, want := range map[string]string{
		"//v1/tasks": "404", "/v1//tasks": "404", "/v1/./tasks": "404", "/v1/x/../tasks": "404", "/../v1/tasks": "404", "/v1/tasks/.": "404",
		"/v1/%2e%2e/v1/tasks": "404", "/v1/%2e/tasks": "404", "/v1/tasks/%2e%2e": "404", "/v1/tasks/%2e%2e%2ftasks": "404",
		"/v1%2ftasks": "404", "/v1/tasks%2f": "404", "/v1/tasks/": "404", "/%2fv1/tasks": "404", "/v1/tasks%00": "404",
		"/v1/tasks%0d%0aX:%20" + marker: "404", "/v1\\tasks": "404", "/v1/..%5c..%5ctasks": "404", "/v1/%5c/tasks": "404",
		"/v1/tasks;x=" + marker: "404", "/v1/tasks%3fstate=dead": "404", "/v1/tasks%23": "404", "/V1/tasks": "404", "/v1/tasks.json": "404",
		"/v1/tasks\x00": "400", "/v1/ta\x7fsks": "400", "/v1/%zz": "400", "/v1/tasks/%": "400", "/v1/tasks/%u0041": "400", "v1/tasks": "400",
		"\\v1\\tasks": "400", "http:v1": "404", "http:///v1/tasks": "200", "http://127.0.0.1": "404", "http://[::1/v1/tasks": "400",
		"/%76%31/tasks": "200", "/v1/t%61sks": "200", "//127.0.0.1/v1/tasks": "404", "/v1/tasks/%ff%fe": "404", "/v1/tasks/\xff\xfe": "404",
		"/v1/tasks/" + strings.Repeat("a", 30_000): "404", "/" + strings.Repeat("a/", 20_000): "404", "/" + strings.Repeat("../", 10_000): "404",
		"/" + strings.Repeat("%2e%2e%2f", 5000): "404", "/v1/intents/batch/..": "404", "/v1/tasks/a%2fb%2fcancel": "404", "?": "400",
		"/v1/tasks/{id}": "404", "/metrics/..%2fv1/tasks": "404", "/etc/passwd": "404", "/v1/tasks/..;/metrics": "404", "/debug/pprof/": "404",
	} {
		list = append(list, shot{fmt.Sprintf("%.60q", target), get(target), want})
	}
	return list
}

// Ids belong to the merchant that stands in them.
func ids(token string) []shot {
	var list []shot
	for id, want := range map[string]string{
		"b2c.trigger_issue.3002607.A": "403", "b2c.trigger_issue.~32000132.A": "404", "b2c.trigger_issue.~33002607.A": "403",
		"b2c.trigger_issue.2000132~00.A":  "403",
		"b2c.trigger_issue.2000132~2EA.A": "403", "b2c.trigger_issue.~2A.A": "403", "b2c.trigger_issue.*.A": "404",
		"b2c.trigger_issue.2000132": "404", "b2c.trigger_issue..A": "404", "b2c..2000132.A": "404", "B2C.trigger_issue.2000132.A": "404",
		"b2c.trigger_issue.2000132.": "404", "b2c.trigger_issue.2000132.{A}": "404", "b2c.trigger_issue.{2000132}.A": "404",
		"b2c.trigger_issue.%7b3002607%7d.A": "404", "b2c.trigger_issue.2000132.%7b3002607%7d": "404", "b2c.trigger_issue.2000132.~": "404",
		"b2c.trigger_issue.2000132.~7B3002607~7D": "404", "b2c.trigger_issue.2000132.~zz": "404", "b2c.trigger_issue.2000132.~7b": "404",
		"b2c.trigger_issue.2000132.a%2fcancel": "404", "b2c.trigger_issue.2000132.%00": "404", "b2c.trigger_issue.2000132.%0a*1": "404",
		"b2c.trigger_issue.2000132.A.B.C.D": "404", "b2c.trigger_issue.2000132." + strings.Repeat("9", 40_000): "404",
		"b2c.trigger_issue.2000132.%e5%8f%b0": "404", "b2c.trigger_issue.2000132.%ff": "404", "b2c.trigger_issue.２０００１３２.A": "404",
		"b2c.trigger_issue.2000132." + marker: "404", "b2c." + marker + ".2000132.A": "404", "b2c%2etrigger_issue%2e3002607%2eA": "403",
		"b2c.trigger_issue.~32~30~30~30~31~33~32.A": "404", "%20b2c.trigger_issue.2000132.A": "404", "asynq:%7Btrigger_issue%7D:t:A": "404",
		"b2c:trigger_issue.2000132.A": "404", "b2c.trigger_issue.2000132.A%3Fwait=30s": "404", "b2c.trigger_issue.2000132.A;wait=30s": "404",
	} {
		bearer := "Authorization: Bearer " + token
		list = append(list, shot{fmt.Sprintf("%.60q", id), get("/v1/tasks/"+id, bearer), want})
		body := `{"note":"` + marker + `"}`
		list = append(list, shot{fmt.Sprintf("%.60q resolved", id), wire("POST /v1/tasks/"+id+"/resolve HTTP/1.1", body, bearer,
			"Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body))), want})
	}
	return list
}

// What is no query is not a shorter one.
func queries() []ask {
	var list []ask
	for query, want := range map[string]int{
		"tsr=a&tsr=b": 400, "limit=1&limit=1": 400, "tsr=a&ts%72=b": 400, "TSR=a": 400, "tsr%00=a": 400, "tsr[]=a": 400, "=": 400, "&&&": 200,
		"merchant_id=%zz": 400, "tsr=A1&merchant_id=2%": 400, "state=dead;merchant_id=1": 400, ";": 400, "%": 400, "%zz=1": 400,
		"limit=0x10": 422, "limit=1e2": 422, "limit=-1": 422, "limit=99999999999999999999": 422, "limit=%EF%BC%91": 422, "limit=1%00": 422,
		"limit=%2b1": 200, "limit=": 422, "state=DEAD": 422, "state=dead%00": 422, "state=" + marker: 422, "cursor=" + marker: 422,
		"cursor=MQo": 422, "cursor=MQpsZWRnZXI6KgowCg": 200, "cursor=" + strings.Repeat("A", 30_000): 422, marker + "=1": 400,
		"tsr=" + strings.Repeat("9", 50_000): 200, "tsr=%00": 200, "tsr=%ff": 200, "tsr=*": 200, "tsr=%7B%7D&merchant_id=%7B%7D": 200,
		strings.Repeat("limit=1&", 8000): 400, "merchant_id=*": 200, "merchant_id=%7B3002607%7D&tsr=a": 200,
		strings.Repeat("merchant_id=1&", 3000) + "tsr=a": 200,
		strings.Repeat("x=1&", 10_000):                   400, "wait=1s": 400,
	} {
		list = append(list, ask{fmt.Sprintf("%.60q", query), "GET", "/v1/tasks?" + query, "", want, nil})
	}
	for query, want := range map[string]int{
		"wait=-1s": 422, "wait=1": 422, "wait=1e9s": 422, "wait=9999999999h": 422, "wait=NaN": 422, "wait=" + marker: 422, "wait=1ns": 200,
		"wait=30s&wait=30s": 400, "after=" + marker: 422, "after=AQ&after=AQ": 400, "after=" + strings.Repeat("_", 30_000): 422,
		"after=%00": 422, "merchant_id=%7B%7D": 422, "merchant_id=": 422, "merchant_id=%zz": 400, "limit=1001": 422, ";": 400, "cursor=AQ": 400,
		strings.Repeat("merchant_id=1&", 3000): 200,
	} {
		list = append(list, ask{fmt.Sprintf("outcomes, %.60q", query), "GET", "/v1/outcomes?" + query, "", want, nil})
	}
	return list
}

func tokenTricks(token string) []shot {
	var list []shot
	of := func(name, want string, headers ...string) {
		list = append(list, shot{name, get("/v1/tasks", headers...), want})
	}
	bearer := "Authorization: Bearer " + token
	of("none", "401")
	of("a cookie", "401", "Cookie: Authorization=Bearer "+token)
	of("another scheme", "401", "Authorization: Basic "+token)
	of("no scheme", "401", "Authorization: "+token)
	of("no space", "401", "Authorization: Bearer"+token)
	of("in quotes", "401", `Authorization: Bearer "`+token+`"`)
	of("one letter less", "401", bearer[:len(bearer)-1])
	of("one letter more", "401", bearer+"A")
	of("two in a header", "401", bearer+", Bearer "+token)
	of("a NUL", "400", bearer+"\x00")
	of("60 KB", "401", "Authorization: Bearer "+strings.Repeat(marker, 6000))
	of("another", "401", "Authorization: Bearer ecpayq_"+strings.Repeat("A", 43))
	of("two headers, the first is wrong", "401", "Authorization: Bearer "+marker, bearer)
	of("two headers, the second is wrong", "401", bearer, "Authorization: Bearer "+marker)
	of("the same twice", "401", bearer, bearer)
	of("by another name", "401", "Proxy-Authorization: Bearer "+token, "X-Authorization: Bearer "+token)
	of("small letters", "200", "authorization: bEARER "+token)
	list = append(list, shot{"in the query", get("/v1/tasks?access_token=" + token), "401"})
	list = append(list, shot{"in the target", get("http://Bearer:" + token + "@127.0.0.1/v1/tasks"), "401"})
	list = append(list, shot{"one that may not", wire("POST /v1/intents HTTP/1.1", smuggled, fmt.Sprintf("Content-Length: %d", len(smuggled)),
		"Content-Type: application/json", "Authorization: Bearer "+marker), "401"})
	return list
}

// What a body is, is said once.
func bodyHeaders() []shot {
	const gz = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + marker
	of := func(body string, headers ...string) string {
		return wire("POST /v1/intents HTTP/1.1", body, append(headers, fmt.Sprintf("Content-Length: %d", len(body)))...)
	}
	const json = "Content-Type: application/json"
	return []shot{
		{"no type", of(smuggled), "415"},
		{"two types", of(smuggled, "Content-Type: text/plain", json), "415"},
		{"two types, the first is right", of(taken, json, "Content-Type: text/plain"), "415"},
		{"a list of types", of(smuggled, "Content-Type: application/json, text/plain"), "415"},
		{"a type that is none", of(smuggled, "Content-Type: "+marker), "415"},
		{"a parameter that is none", of(smuggled, "Content-Type: application/json; =\""+marker), "415"},
		{"a parameter twice", of(smuggled, "Content-Type: application/json; charset=a; charset="+marker), "415"},
		{"another charset", of(taken, "Content-Type: application/json; charset=utf-16"), "200"},
		{"a form of files", of(smuggled, "Content-Type: multipart/form-data; boundary="+marker), "415"},
		{"gzip", of(gz, json, "Content-Encoding: gzip"), "415"},
		{"gzip in capitals", of(gz, json, "Content-Encoding: GZIP"), "415"},
		{"gzip that is not said", of(gz, json), "400"},
		{"a list of encodings", of(gz, json, "Content-Encoding: identity, gzip"), "415"},
		{"two encodings", of(taken, json, "Content-Encoding: identity", "Content-Encoding: gzip"), "415"},
		{"Brotli", of(gz, json, "Content-Encoding: br"), "415"},
		{"an encoding for which there is no name", of(gz, json, "Content-Encoding: "+marker), "415"},
		{"UTF-16", of("\xff\xfe{\x00}\x00", json), "400"},
		{"two keys", of(smuggled, json, "Idempotency-Key: a", "Idempotency-Key: a"), "422"},
		{"an empty key", of(smuggled, json, "Idempotency-Key: "), "422"},
		{"a long key", of(smuggled, json, "Idempotency-Key: "+strings.Repeat(marker, 100)), "422"},
		{"a key with a tab", of(smuggled, json, "Idempotency-Key: a\t"+marker), "422"},
		{"a key that is not ASCII", of(smuggled, json, "Idempotency-Key: 鍵"+marker), "422"},
		{"a batch that is one intent", strings.Replace(of(smuggled, json), "/intents", "/intents/batch", 1), "415"},
		{"an intent that is a batch", of(smuggled, "Content-Type: application/x-ndjson"), "415"},
	}
}
