package outbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/tasks"
)

// No field is as long as that today.
func TestAPayloadThatTheRelayWouldRefuseIsAnError(t *testing.T) {
	t.Parallel()
	for _, typ := range tasks.Types() {
		if err := fits(typ, strings.Repeat("x", typ.MaxPayload)); err != nil {
			t.Errorf("%s: got %v for the longest", typ.Name, err)
		}
		err := fits(typ, strings.Repeat("x", typ.MaxPayload+1))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("at most %d are allowed", typ.MaxPayload)) {
			t.Errorf("%s: got %v for what is longer", typ.Name, err)
		}
	}
}
