package main_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestDoctorWarnsOfRelateNumbersThatAreMadeUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number func(n int) string
		status string
	}{
		"a UUID":                {func(n int) string { return fmt.Sprintf("3f2b8c1e-9d4a-4f6b-8a1c-0d2e4f6a8b%02d", n) }, "warning"},
		"a UUID without dashes": {func(n int) string { return fmt.Sprintf("3F2B8C1E9D4A4F6B8A1C0D2E4F6A8B%02d", n) }, "warning"},
		"a nano id":             {func(n int) string { return fmt.Sprintf("V1StGXR8Z5jdHi6BmyT%02d", n) }, "warning"},
		"a ULID":                {func(n int) string { return fmt.Sprintf("01KB9M3NDEKTSV4RRFFQ69G5%02d", n) }, "warning"},
		"a counter":             {func(n int) string { return fmt.Sprintf("100%05d", n) }, "ok"},
		"a day and a counter":   {func(n int) string { return fmt.Sprintf("SHOP1-20261130-A%04d", n) }, "ok"},
		"a time":                {func(n int) string { return fmt.Sprintf("EC20261130T101502%03d", n) }, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			rdb := b.redis.Client()
			b.must(rdb.SAdd(t.Context(), record.OutcomeOwnersKey, merchantID).Err())
			for n := range 12 {
				id := tasks.ID(&tasks.B2CIssue{MerchantID: merchantID, RelateNumber: c.number(n)})
				b.must(rdb.XAdd(t.Context(), &redis.XAddArgs{
					Stream: record.OwnerOutcomesKey(merchantID), ID: fmt.Sprintf("1796000000000-%d", n+1), Values: []string{"id", id, "state", "done"},
				}).Err())
			}
			if f := b.doctorArgs(0, "--no-ecpay")["relate numbers"]; f.Status != c.status || (f.Hint != "") != (c.status == "warning") {
				t.Errorf("got %+v, want %s", f, c.status)
			}
		})
	}
}
