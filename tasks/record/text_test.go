package record

import "testing"

func TestATextOfAnOlderWorkerIsReadInBothLanguagesAndANewOneIsNeverCut(t *testing.T) {
	t.Parallel()
	const newer, wrong = "請洽綠界", "a reason of another attempt"
	for name, row := range map[string]struct {
		en, zh string
		two    bool
		want   Text
	}{
		"in two fields":        {"ask ECPay; key 1a2b", "請洽綠界；金鑰 1a2b", true, Text{"ask ECPay; key 1a2b", "請洽綠界；金鑰 1a2b"}},
		"in two, with a slash": {"B2C / B2B is not enabled", "未開通 B2C / B2B", true, Text{"B2C / B2B is not enabled", "未開通 B2C / B2B"}},
		"in two, ECPay's words": {"B2B Invalid: Denied: 功能 / 尚未開通",
			"綠界：功能 / 尚未開通", true, Text{"B2B Invalid: Denied: 功能 / 尚未開通", "綠界：功能 / 尚未開通"}},
		"in one": {"ask ECPay / 請洽綠界", "", false, Text{"ask ECPay", "請洽綠界"}},
		"in one, with what follows": {"wrong keys; mend them / 金鑰錯誤，請修正; key fingerprint 1a2b / 金鑰指紋 1a2b",
			"", false, Text{"wrong keys; mend them; key fingerprint 1a2b", "金鑰錯誤，請修正；金鑰指紋 1a2b"}},
		"in one, with what it is of": {"no success within 25 attempts / 超過次數仍未成功: sent, and lost / 已送出但結果不明",
			"", false, Text{"no success within 25 attempts: sent, and lost", "超過次數仍未成功：已送出但結果不明"}},
		"in one, and an error": {"held for a newer worker / 保留給較新版本的工作程序: unknown task type", "",
			false, Text{"held for a newer worker: unknown task type", "保留給較新版本的工作程序: unknown task type"}},
		"in one, three of them":       {"a / 甲; b; c / 乙（2）; d / 丙", "", false, Text{"a; b; c; d", "甲；乙（2）；丙"}},
		"in one, of one language":     {"redis: i/o timeout", "", false, Plain("redis: i/o timeout")},
		"in one, with a slash":        {"read a / b", "", false, Plain("read a / b")},
		"in one, ECPay's words":       {"折讓 / 作廢", "", false, Plain("折讓 / 作廢")},
		"in one, of the other only":   {"查無資料", "", false, Plain("查無資料")},
		"nothing":                     {"", "", false, Text{}},
		"nothing, beside another's":   {"", newer, true, Text{}},
		"an older one's, beside that": {"ask ECPay / 請修正", newer, true, Text{"ask ECPay", "請修正"}},
		"ended by a slash":            {"a / ", "", false, Plain("a / ")},
		"begun by one":                {" / 甲", "", false, Text{"", "甲"}},
		"two slashes":                 {"a / 甲 / 乙", "", false, Plain("a / 甲 / 乙")},
	} {
		if got := readText(row.en, row.zh, row.two); got != row.want {
			t.Errorf("%s: got %+v, want %+v", name, got, row.want)
		}
	}
	if both := (Text{"ask ECPay", "請洽綠界"}).Both(); both != "ask ECPay / 請洽綠界" || Plain(wrong).Both() != wrong {
		t.Errorf("in one line: %q", both)
	}
}
