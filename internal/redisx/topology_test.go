package redisx_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/redisx"
)

type wrapper struct{ redisx.Wrapped }

type foreign struct{ redis.UniversalClient }

func TestAWrapperIsKnownAsWhatItWraps(t *testing.T) {
	t.Parallel()
	single := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1", "127.0.0.1:2"}, Username: "ecpayq"})
	sentinel := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{"127.0.0.1:1"}, Username: "default"})
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	for _, c := range []interface{ Close() error }{single, cluster, sentinel, ring} {
		t.Cleanup(func() { _ = c.Close() })
	}
	for name, tc := range map[string]struct {
		rdb                             redis.UniversalClient
		single, cluster, sentinel, asks bool
		addresses                       []string
	}{
		"one server":         {single, true, false, false, true, []string{"127.0.0.1:1"}},
		"a cluster":          {cluster, false, true, false, false, []string{"127.0.0.1:1", "127.0.0.1:2"}},
		"found by sentinels": {sentinel, true, false, true, true, nil},
		"wrapped":            {wrapper{redisx.Wrapped{UniversalClient: single}}, true, false, false, true, []string{"127.0.0.1:1"}},
		"wrapped twice": {wrapper{redisx.Wrapped{UniversalClient: wrapper{redisx.Wrapped{UniversalClient: cluster}}}},
			false, true, false, false, []string{"127.0.0.1:1", "127.0.0.1:2"}},
		"a client of asynq's": {asynqx.NewLeaseClient(sentinel, nil), true, false, true, true, nil},
		"a ring":              {ring, false, false, false, false, nil},
		"a wrapper of others": {foreign{single}, false, false, false, false, nil},
	} {
		got := redisx.TopologyOf(tc.rdb)
		if got.Single() != tc.single || got.Cluster() != tc.cluster || got.Sentinel() != tc.sentinel || got.MayAskConfig() != tc.asks {
			t.Errorf("%s: got single %t, cluster %t, sentinel %t, asks %t", name, got.Single(), got.Cluster(), got.Sentinel(), got.MayAskConfig())
		}
		if _, addresses, _ := got.Addresses(); !slices.Equal(addresses, tc.addresses) {
			t.Errorf("%s: got addresses %q, want %q", name, addresses, tc.addresses)
		}
	}
}

func TestEveryMasterOfAClusterIsReachedOnceAndTheOneServerOtherwise(t *testing.T) {
	t.Parallel()
	count := func(rdb redis.UniversalClient) (n int32) {
		var seen atomic.Int32
		if err := redisx.ForEachMaster(t.Context(), rdb, func(ctx context.Context, node redis.Cmdable) error {
			seen.Add(1)
			return node.Ping(ctx).Err()
		}); err != nil {
			t.Error(err)
		}
		return seen.Load()
	}
	cluster := redistest.NewCluster(t, 3)
	if n := count(wrapper{redisx.Wrapped{UniversalClient: cluster.Client()}}); n != 3 {
		t.Errorf("%d masters of a wrapped cluster, want 3", n)
	}
	if n := count(redistest.New(t).Client()); n != 1 {
		t.Errorf("%d masters of one server", n)
	}
}
