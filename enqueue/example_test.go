package enqueue_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
)

// afterPayment is what a shop calls when an order is paid. It may be called
// again for the same order at any time.
func afterPayment(ctx context.Context, client *enqueue.Client, order string) error {
	receipt, err := client.TriggerIssue(ctx, enqueue.TriggerIssue{
		MerchantID: "2000132", Tsr: order,
		RelateNumber: order,  // by which the worker can ask ECPay
		DelayDay:     new(0), // as it was given to DelayIssue
	})
	var invalid *ecpay.ValidationError
	switch {
	case errors.As(err, &invalid):
		return fmt.Errorf("mend the order, nothing was stored: %w", err)
	case errors.Is(err, enqueue.ErrRedis):
		return fmt.Errorf("call again, which is safe: %w", err)
	case err != nil:
		return err
	}
	if len(receipt.Differs) > 0 {
		return fmt.Errorf("%s was enqueued with another %v, which stands", receipt.ID, receipt.Differs)
	}
	fmt.Println(receipt.ID, receipt.State, "duplicate:", receipt.Duplicate)
	return nil
}

// startRedis starts a Redis inside the process, for the examples; a shop has
// its own.
func startRedis() (url string, stop func()) {
	mr := miniredis.NewMiniRedis()
	if err := mr.Start(); err != nil {
		panic(err)
	}
	return "redis://" + mr.Addr() + "/0", mr.Close
}

// Right after the payment, one call stores the intent: when it returns without
// an error, a worker will carry it to ECPay.
func Example() {
	redisURL, stop := startRedis()
	defer stop()

	client, err := enqueue.New(enqueue.Config{RedisURL: redisURL, Timeout: 2 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	// The payment provider calls back twice, as they do.
	for range 2 {
		if err := afterPayment(context.Background(), client, "ORDER1001"); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// b2c.trigger_issue.2000132.ORDER1001 pending duplicate: false
	// b2c.trigger_issue.2000132.ORDER1001 pending duplicate: true
}

// A second call with other fields stores nothing either. The receipt says in
// what the first one, which stands, is different.
func ExampleReceipt_differs() {
	redisURL, stop := startRedis()
	defer stop()
	client, err := enqueue.New(enqueue.Config{RedisURL: redisURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	for _, reason := range []string{"訂單取消", "金額錯誤"} {
		receipt, err := client.Invalid(context.Background(), enqueue.Invalid{
			MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-23", Reason: reason,
		})
		fmt.Println(receipt.Duplicate, receipt.Differs, err)
	}
	// Output:
	// false [] <nil>
	// true [Reason] <nil>
}

// A field that breaks one of ECPay's limits is found before anything is stored.
// The error names every such field and quotes no value.
func ExampleClient_Enqueue_invalidField() {
	redisURL, stop := startRedis()
	defer stop()
	client, err := enqueue.New(enqueue.Config{RedisURL: redisURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	_, err = client.Invalid(
		context.Background(), enqueue.Invalid{MerchantID: "2000132", InvoiceNumber: "vg1100", InvoiceDate: "108/09/23", Reason: "訂單取消"},
	)
	var invalid *ecpay.ValidationError
	if errors.As(err, &invalid) {
		for _, field := range invalid.Fields {
			fmt.Println(field)
		}
	}
	// Output:
	// InvoiceNumber must be two capital letters and eight digits, like VG11000002
	// InvoiceDate must be a calendar day written yyyy-mm-dd (Asia/Taipei), like 2019-09-23
}

// A Redis that is away makes the call fail within the deadline. Whether the task
// was stored is open then: keep the order in the shop's own database and call
// again.
func ExampleClient_Enqueue_redisAway() {
	redisURL, stop := startRedis()
	client, err := enqueue.New(enqueue.Config{RedisURL: redisURL, Timeout: 2 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	stop()

	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err = client.CancelDelayIssue(ctx, enqueue.CancelDelayIssue{MerchantID: "2000132", Tsr: "ORDER1001"})
	fmt.Println(errors.Is(err, enqueue.ErrRedis))
	// Output: true
}

// An intent can wait: ten minutes for a customer who may change the order, or
// until tomorrow at nine.
func ExampleProcessIn() {
	redisURL, stop := startRedis()
	defer stop()
	client, err := enqueue.New(enqueue.Config{RedisURL: redisURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	receipt, err := client.TriggerIssue(
		context.Background(), enqueue.TriggerIssue{MerchantID: "2000132", Tsr: "ORDER1002"}, enqueue.ProcessIn(10*time.Minute),
	)
	fmt.Println(receipt.State, err)

	year, month, day := time.Now().In(ecpay.Taipei).AddDate(0, 0, 1).Date()
	morning := time.Date(year, month, day, 9, 0, 0, 0, ecpay.Taipei)
	receipt, err = client.TriggerIssue(
		context.Background(), enqueue.TriggerIssue{MerchantID: "2000132", Tsr: "ORDER1003"}, enqueue.ProcessAt(morning),
	)
	fmt.Println(receipt.State, err)
	// Output:
	// scheduled <nil>
	// scheduled <nil>
}

// What became of a task can be read by its id, for weeks after it is done.
func ExampleClient_Task() {
	redisURL, stop := startRedis()
	defer stop()
	client, err := enqueue.New(enqueue.Config{RedisURL: redisURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	receipt, err := client.GetAllowanceConfirm(
		context.Background(), enqueue.GetAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1909241702402030"},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	task, err := client.Task(context.Background(), receipt.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.State, "ended:", task.Ended(), "attempts:", task.Attempts)
	// Output: pending ended: false attempts: 0
}

// A backlog is stored in pipelines, and every item is answered. Nothing has to be
// remembered to go on after an interruption: the same items again store what is
// missing.
func ExampleClient_Batch() {
	redisURL, stop := startRedis()
	defer stop()
	client, err := enqueue.New(enqueue.Config{RedisURL: redisURL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	orders := func(yield func(enqueue.Item) bool) { // rows of a database, say
		for _, order := range []string{"ORDER1001", "ORDER1002", "", "ORDER1001"} {
			p := &enqueue.TriggerIssue{MerchantID: "2000132", Tsr: order}
			if !yield(enqueue.Item{Payload: p}) {
				return
			}
		}
	}
	for r := range client.Batch(context.Background(), orders) {
		var invalid *ecpay.ValidationError
		switch {
		case errors.As(r.Err, &invalid):
			fmt.Println(r.Index, "mend", invalid.Fields[0])
		case r.Err != nil:
			fmt.Println(r.Index, "call again", r.Err)
		default:
			fmt.Println(r.Index, r.Receipt.ID, "duplicate:", r.Receipt.Duplicate)
		}
	}
	// Output:
	// 0 b2c.trigger_issue.2000132.ORDER1001 duplicate: false
	// 1 b2c.trigger_issue.2000132.ORDER1002 duplicate: false
	// 2 mend Tsr is required
	// 3 b2c.trigger_issue.2000132.ORDER1001 duplicate: true
}
