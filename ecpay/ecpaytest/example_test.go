package ecpaytest_test

import (
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// The fake stands in for ECPay behind any HTTP server; a client needs nothing but its URL and the stage keys.
func Example() {
	fake := ecpaytest.New(ecpaytest.Config{})
	web := httptest.NewServer(fake)
	defer web.Close()  // waits for handlers, so
	defer fake.Close() // hangs end first

	if err := fake.StageDelayed(ecpaytest.Delayed{Tsr: "ORDER1001", DelayDay: 7}); err != nil {
		fmt.Println(err)
		return
	}
	// ... the client under test triggers ORDER1001 at web.URL ...

	fmt.Println(fake.State(ecpaytest.StageMerchantID, "ORDER1001"))
	fmt.Println(len(fake.Calls()), "calls,", len(fake.EffectsOn(ecpaytest.StageMerchantID, "ORDER1001")), "effects")
	// Output:
	// pending
	// 0 calls, 0 effects
}

// The first trigger of one order has its effect two seconds after the connection was dropped; the second cancel is
// answered with a ban.
func ExampleServer_Inject() {
	fake := ecpaytest.New(ecpaytest.Config{})
	defer fake.Close()

	fake.Inject(ecpaytest.Match{Operation: "TriggerIssue", Subject: "ORDER1001"},
		ecpaytest.Fault{Drop: true, EffectAfter: 2 * time.Second})
	fake.Inject(ecpaytest.Match{Operation: "CancelDelayIssue"},
		ecpaytest.Fault{Name: "let one through"},
		ecpaytest.Fault{HTTPStatus: 403})
}
