package app_test

import (
	"testing"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// A script is made when it is first used; here all of a worker, a dashboard and an API are.
func TestEveryScriptFitsItsDeclaration(t *testing.T) {
	t.Parallel()
	if n := redisx.MakeAll(); n < 20 {
		t.Errorf("only %d scripts were made", n)
	}
}
