package ecpay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// startECPay starts a fake ECPay with one invoice that waits for its trigger,
// for the examples. It knows the keys that ECPay publishes for its stage host.
func startECPay() (url string, stop func()) {
	fake := ecpaytest.New(ecpaytest.Config{})
	if err := fake.StageDelayed(ecpaytest.Delayed{Tsr: "ORDER1001"}); err != nil {
		panic(err)
	}
	web := httptest.NewServer(fake)
	return web.URL, func() { fake.Close(); web.Close() }
}

// One call sends one request, with a timestamp and a ciphertext of its own, and
// never repeats it.
func Example() {
	ecpayURL, stop := startECPay()
	defer stop()

	base, err := ecpay.ParseBaseURL(ecpayURL) // "stage" or "production" outside of examples
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := ecpay.New(ecpay.Config{BaseURL: base})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()
	merchant, err := ecpay.NewMerchant(ecpay.MerchantConfig{
		MerchantID: "2000132",
		HashKey:    ecpay.NewSecret("ejCk326UnaZWKisg"),
		HashIV:     ecpay.NewSecret("q9jcZX8Ib9LM8wYk"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	triggered, err := client.B2CTriggerIssue(ctx, merchant, &ecpay.B2CTriggerIssueRequest{MerchantID: "2000132", Tsr: "ORDER1001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(triggered.RtnCode, triggered.RtnMsg)

	// The answer to a trigger does not hold the invoice's number; a query does.
	invoice, err := client.B2CGetIssue(ctx, merchant, &ecpay.B2CGetIssueRequest{MerchantID: "2000132", RelateNumber: "ORDER1001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(invoice.IIS_Number)
	// Output:
	// 4000004 開立發票成功
	// FK00000001
}

// The Kind of an error says how to react; the codes and the message stay as
// ECPay sent them.
func ExampleKindOf() {
	ecpayURL, stop := startECPay()
	defer stop()
	base, err := ecpay.ParseBaseURL(ecpayURL)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := ecpay.New(ecpay.Config{BaseURL: base})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()

	trigger := func(hashKey, tsr string) {
		merchant, err := ecpay.NewMerchant(ecpay.MerchantConfig{
			MerchantID: "2000132", HashKey: ecpay.NewSecret(hashKey), HashIV: ecpay.NewSecret("q9jcZX8Ib9LM8wYk"),
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = client.B2CTriggerIssue(context.Background(), merchant, &ecpay.B2CTriggerIssueRequest{MerchantID: "2000132", Tsr: tsr})
		switch kind := ecpay.KindOf(err); kind {
		case ecpay.OK:
			fmt.Println("done")
		case ecpay.Ambiguous, ecpay.Unknown:
			fmt.Println(kind, "- ask ECPay before sending it again")
		default:
			var e *ecpay.Error
			errors.As(err, &e)
			fmt.Println(kind, "-", e.Execution, e.TransCode, e.RtnCode, e.Msg)
		}
	}
	trigger("ejCk326UnaZWKisg", "ORDER1001")
	trigger("ejCk326UnaZWKisg", "ORDER9999")
	trigger("not-the-real-key", "ORDER1001")
	// Output:
	// done
	// NotFound - not executed 1 4000001 不存在此交易單號
	// Denied - not executed 110 0 The parameter [Data] decrypt fail.
}
