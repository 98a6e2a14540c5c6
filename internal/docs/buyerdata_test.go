package docs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/tasks"
)

func TestTheReadmeSaysWhetherATaskHoldsBuyersData(t *testing.T) {
	t.Parallel()
	holds := slices.ContainsFunc(tasks.Types(), func(typ tasks.Type) bool { return typ.BuyerData })
	for i, none := range []string{"no buyer data of its own", "本身沒有買方資料"} {
		text := strings.Join(strings.Fields(read(t, readmes[i])), " ")
		if says := strings.Contains(text, none); says == holds {
			t.Errorf("%s says %q: %v, but a type that has fields for buyer's data: %v", readmes[i], none, says, holds)
		}
	}
}

func TestTheInvoiceOfTheReadmeCanBeIssued(t *testing.T) {
	t.Parallel()
	for _, name := range readmes {
		seen := 0
		for _, b := range readPage(t, name).blocksOf("json") {
			if !strings.Contains(b.text, `"Items"`) {
				continue
			}
			seen++
			p, err := tasks.Decode("b2c:issue", nil, []byte(b.text))
			if err == nil {
				err = p.Validate()
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if seen != 1 {
			t.Errorf("%s has %d invoices, want 1", name, seen)
		}
	}
}
