package asynqx

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

func TestOursGoesBeforeAsynqsAndEachFindsItsOwn(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	ours := func(keys, args int) string {
		return fmt.Sprintf("redis.call('SET', KEYS[%d], ARGV[%d])\n", keys+1, args+1) +
			"if ARGV[#ARGV] ~= 'nothing' then return tonumber(ARGV[#ARGV]) end"
	}
	const asynqs = "redis.call('SET', KEYS[1], ARGV[2])\nreturn {KEYS[1], KEYS[2], ARGV[1], ARGV[2]}"
	s := splice(ours, asynqs, 2, 2)
	for answer, runs := range map[string]bool{"nothing": true, "0": false, "-3": false} {
		rdb.FlushAll(t.Context())
		took := time.Duration(-1)
		got := s.run(t.Context(), rdb, []string{"k1", "k2"}, []any{"a1", "a2"}, Call{
			Append: func(keys []string, args []any) ([]string, []any) {
				return append(keys, "o1"), append(args, "b1", answer)
			},
			Took: func(d time.Duration) { took = d },
		})
		want := fmt.Sprint([]any{"k1", "k2", "a1", "a2"})
		if !runs {
			want = answer
		}
		if diff := cmp.Diff(want, fmt.Sprint(got.Val())); diff != "" || got.Err() != nil {
			t.Errorf("ours answers %s: %v (-want +got):\n%s", answer, got.Err(), diff)
		}
		if ours, theirs := rdb.Get(t.Context(), "o1").Val(), rdb.Get(t.Context(), "k1").Val(); ours != "b1" || (theirs == "a2") != runs {
			t.Errorf("ours answers %s: ours wrote %q and asynq's %q", answer, ours, theirs)
		}
		if took < 0 {
			t.Errorf("ours answers %s: nobody is told how long it took", answer)
		}
	}
}
