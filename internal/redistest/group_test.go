package redistest_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

func TestSentinelGroupFailsOver(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 60*time.Second)
	g := redistest.NewSentinel(t, redistest.SentinelOptions{Replicas: 1, Sentinels: 3})
	if want := regexp.MustCompile(`^redis-sentinel://(127\.0\.0\.1:\d+,){2}127\.0\.0\.1:\d+/0\?master=mymaster$`); !want.MatchString(g.URL()) {
		t.Errorf("URL() = %q", g.URL())
	}
	rdb := g.Client()
	if g.Master() != g.Nodes[0] {
		t.Errorf("the first master is %s, want the first node, %s", g.Master().Addr(), g.Nodes[0].Addr())
	}
	if err := rdb.Set(ctx, "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// Replication is asynchronous: only what a replica has can survive.
	if n, err := rdb.Wait(ctx, 1, 20*time.Second).Result(); err != nil || n != 1 {
		t.Fatalf("WAIT: %d replicas, %v", n, err)
	}

	old := g.KillMaster()
	if old == nil || old.PID() != 0 {
		t.Fatalf("killed %v", old)
	}
	node, err := g.AwaitMaster(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	if node == old || g.Master() != node {
		t.Errorf("AwaitMaster: %s, Master: %s, killed: %s", node.Addr(), g.Master().Addr(), old.Addr())
	}
	eventually(t, ctx, "reading through the Sentinels", func() error {
		got, err := rdb.Get(ctx, "a").Result()
		if err == nil && got != "1" {
			t.Fatalf("a = %q", got)
		}
		return err
	})

	if err := old.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	rejoined := old.Client()
	eventually(t, ctx, "waiting for the old master to become a replica", func() error {
		role, err := rejoined.Do(ctx, "role").Slice()
		if err == nil && role[0] != "slave" {
			err = fmt.Errorf("it is a %v", role[0])
		}
		return err
	})
}

func TestSentinelGroupFailsOverOnRequest(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 60*time.Second)
	g := redistest.NewSentinel(t, redistest.SentinelOptions{Sentinels: 1})
	rdb := g.Client()
	if err := g.Failover(ctx); err != nil {
		t.Fatal(err)
	}
	if got := g.Master(); got != g.Nodes[1] {
		t.Errorf("master is %s, want %s", got.Addr(), g.Nodes[1].Addr())
	}
	eventually(t, ctx, "writing through the Sentinels", func() error { return rdb.Set(ctx, "a", "1", 0).Err() })
	if got, err := g.Nodes[1].Client().Get(ctx, "a").Result(); err != nil || got != "1" {
		t.Errorf("on the new master: %q, %v", got, err)
	}
}

func TestClusterServesAllSlots(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 60*time.Second)
	c := redistest.NewCluster(t, 3)
	if want := regexp.MustCompile(`^redis-cluster://(127\.0\.0\.1:\d+,){2}127\.0\.0\.1:\d+$`); !want.MatchString(c.URL()) {
		t.Errorf("URL() = %q", c.URL())
	}
	rdb := c.Client()
	for i := range 60 {
		key := fmt.Sprintf("{%d}key", i)
		if err := rdb.Set(ctx, key, i, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := rdb.Get(ctx, key).Int(); err != nil || got != i {
			t.Errorf("%s = %d, %v", key, got, err)
		}
	}
	for i, node := range c.Nodes {
		if n, err := node.Client().DBSize(ctx).Result(); err != nil || n == 0 {
			t.Errorf("node %d holds %d keys, %v: want some on every node", i, n, err)
		}
	}
	if _, err := redistest.StartCluster(ctx, redistest.ClusterOptions{Masters: 2}); err == nil {
		t.Error("a cluster of two started")
	}
}

func TestClusterNodeComesBack(t *testing.T) {
	t.Parallel()
	ctx := deadline(t, 60*time.Second)
	c := redistest.NewCluster(t, 3)
	rdb := c.Client()
	for i := range 30 {
		if err := rdb.Set(ctx, fmt.Sprint(i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	c.Nodes[1].Kill()
	if err := c.Nodes[1].Restart(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		eventually(t, ctx, "reading after the restart", func() error {
			got, err := rdb.Get(ctx, fmt.Sprint(i)).Int()
			if err == nil && got != i {
				t.Fatalf("%d = %d", i, got)
			}
			return err
		})
	}
}
