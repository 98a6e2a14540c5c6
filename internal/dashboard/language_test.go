package dashboard

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func TestEveryTextOfThePagesIsTranslated(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("page/*.html")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	literal, seen := regexp.MustCompile(`\.T "([^"]+)"`), 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllStringSubmatch(string(b), -1) {
			seen++
			if _, ok := inChinese[m[1]]; !ok {
				t.Errorf("%s: %q has no Chinese", f, m[1])
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d texts were found", seen)
	}
}

// texts returns the literals that the program shows: what is given to problem,
// showLogin, say and T, the titles of show, and what is said to browsers and to
// asynq's pages, where there is no language to choose.
func texts(t *testing.T) (translated, both []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	place := map[string]int{"problem": 3, "showLogin": 4, "say": 0, "T": 0, "show": 4, "Error": 1}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			at, ok := place[sel.Sel.Name]
			if !ok || len(call.Args) <= at {
				return true
			}
			whole := ""
			ast.Inspect(call.Args[at], func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				if text, err := strconv.Unquote(lit.Value); err == nil {
					whole += text
				}
				return true
			})
			switch {
			case whole == "":
			case sel.Sel.Name == "Error":
				both = append(both, whole)
			default:
				translated = append(translated, whole)
			}
			return true
		})
	}
	return translated, both
}

func TestEveryTextThatTheProgramMakesIsTranslated(t *testing.T) {
	t.Parallel()
	said, both := texts(t)
	if len(said) < 20 || len(both) < 6 {
		t.Errorf("only %d texts in one language and %d in both were found", len(said), len(both))
	}
	for _, o := range shownResults {
		said = append(said, string(o))
	}
	for _, a := range ages {
		said = append(said, a.Words)
	}
	said = append(said, record.StatePending, record.StateScheduled, record.StateActive, record.StateRetry, record.StateHeld,
		record.StateCompleted, record.StateDead, record.StateMissing, string(Viewer), string(Operator), partlyDone, notDone)
	for _, text := range said {
		if _, ok := inChinese[text]; !ok {
			t.Errorf("%q has no Chinese", text)
		}
	}
	han := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	}
	for _, text := range both {
		if !han(text) {
			t.Errorf("%q is in English only", text)
		}
	}
}

func TestErrorsAreExplainedInBothLanguages(t *testing.T) {
	t.Parallel()
	bad := []ecpay.B2BInvalidRequest{
		{}, {MerchantID: "!", InvoiceNumber: "x", InvoiceDate: "x", Reason: strings.Repeat("x", 99)},
		{MerchantID: "1", InvoiceNumber: "VG11000002", InvoiceDate: "1999-01-01", Reason: "<b>"},
		{MerchantID: "1", InvoiceNumber: "VG11000002", InvoiceDate: "2026-11-01", Reason: "a\x00"},
	}
	errs := []error{
		&deadletter.SetError{Text: "cannot set x"}, &deadletter.SetError{Text: "cannot set x", Field: "x"},
		&deadletter.SetError{Text: "cannot set x", Field: "x", Wrong: &exactjson.Error{Problem: exactjson.UnknownField, Field: "x"}},
		deadletter.ErrBegun, ledger.ErrOtherID, ledger.ErrNoPayload, errors.New("odd"),
		(&ecpay.B2CTriggerIssueRequest{MerchantID: "1", Tsr: "?", PayType: "x"}).Validate(),
	}
	for i := range bad {
		errs = append(errs, bad[i].Validate())
	}
	latin := regexp.MustCompile(`[a-z]{2,} [a-z]{2,}`)
	for _, err := range errs {
		if err == nil {
			t.Fatal("a request that is wrong was not refused")
		}
		status, en := explain(english, fmt.Errorf("wrapped: %w", err))
		again, zh := explain(chinese, fmt.Errorf("wrapped: %w", err))
		if status < 400 || status != again || en == zh || strings.Contains(en, "wrapped") {
			t.Errorf("%v: got %d %q and %d %q, want both languages", err, status, en, again, zh)
		}
		if latin.MatchString(zh) {
			t.Errorf("%v: got %q, want no English in it", err, zh)
		}
	}
}
