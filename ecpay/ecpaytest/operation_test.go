package ecpaytest

import (
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
)

func TestEveryOperationOfTheClientHasAnEndpointHere(t *testing.T) {
	t.Parallel()
	for _, op := range ecpay.Operations() {
		got, ok := operations[op.Path()]
		if !ok {
			t.Errorf("there is no %s: give it a file like b2b_invalid.go, and a line in operation.go", op.Path())
			continue
		}
		if got.id() != op.String() || got.write != op.Write {
			t.Errorf("%s is %s, write %v; the client has %s, write %v", op.Path(), got.id(), got.write, op, op.Write)
		}
	}
}
