package ecpaytest

import "testing"

func TestAnUploadStandsAsItIsToldInBothQueries(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	if status, answer := steer(t, b.Server, "POST", "/_fake/stage", `{"delayed":{"Tsr":"UP1","Issued":true}}`); status != 200 {
		t.Fatalf("stage: %d %v", status, answer)
	}
	day := dateIn(b.Server.now())
	number, _ := b.call(pathGet, m{"RelateNumber": "UP1"}).data["IIS_Number"].(string)
	look := func() m {
		t.Helper()
		r := b.call(pathList, m{"BeginDate": day, "EndDate": day, "NumPerPage": 10, "ShowingPage": 1, "DataType": "1"})
		data, _ := r.env["Data"].(m) // which is not encrypted
		list, _ := data["InvoiceData"].([]any)
		if len(list) != 1 || list[0].(m)["IIS_Number"] != number {
			t.Fatalf("got the list of %s: %v, want %s", day, r.env, number)
		}
		return list[0].(m)
	}
	if got := look(); got["IIS_Upload_Status"] != "0" || got["IIS_Turnkey_Status"] != "" || got["IIS_Upload_Date"] != "" {
		t.Errorf("at first: got %v, want it not uploaded", got)
	}
	for _, row := range []struct {
		body, status, turnkey string
		dated                 bool
	}{
		{`{"InvoiceNo":"` + number + `","Status":"0","Turnkey":"E"}`, "0", "E", false},
		{`[{"InvoiceNo":"` + number + `","Status":"1","Turnkey":"C"}]`, "1", "C", true},
	} {
		if status, answer := steer(t, b.Server, "POST", "/_fake/upload", row.body); status != 200 {
			t.Fatalf("%s: %d %v", row.body, status, answer)
		}
		for where, got := range map[string]m{"list": look(), "query": b.call(pathGet, m{"RelateNumber": "UP1"}).data} {
			if got["IIS_Upload_Status"] != row.status || got["IIS_Turnkey_Status"] != row.turnkey || (got["IIS_Upload_Date"] != "") != row.dated {
				t.Errorf("%s, %s: got %v", row.body, where, got)
			}
		}
	}
	for _, wrong := range []string{
		`{"InvoiceNo":"ZZ00000000","Status":"1"}`, `{"InvoiceNo":"` + number + `","Status":"3"}`,
		`{"InvoiceNo":"` + number + `","Status":"1","Turnkey":"X"}`, `{"MerchantID":"9","InvoiceNo":"` + number + `","Status":"1"}`,
	} {
		if status, _ := steer(t, b.Server, "POST", "/_fake/upload", wrong); status != 400 {
			t.Errorf("%s: got %d, want 400", wrong, status)
		}
	}
}
