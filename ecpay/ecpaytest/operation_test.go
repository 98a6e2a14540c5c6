package ecpaytest

import (
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
)

func TestTheClientHasTheOperationsThatAreHere(t *testing.T) {
	t.Parallel()
	client := map[string]bool{}
	for _, op := range ecpay.Operations() {
		client[op.Path()] = true
		got, ok := operations[op.Path()]
		if !ok {
			t.Errorf("there is no %s: give it a file like b2b_invalid.go", op.Path())
			continue
		}
		if got.id() != op.String() || got.write != op.Write {
			t.Errorf("%s is %s, write %v; the client has %s, write %v", op.Path(), got.id(), got.write, op, op.Write)
		}
	}
	for path := range operations {
		if !client[path] {
			t.Errorf("the client has no %s: give it a line in ecpay/operation.go", path)
		}
	}
}
