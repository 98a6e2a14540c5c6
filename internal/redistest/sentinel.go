package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is the name under which Sentinels know their master.
const MasterName = "mymaster"

// SentinelOptions describes a master with replicas and the Sentinels that
// watch them.
type SentinelOptions struct {
	// Replicas of the master. Defaults to 1.
	Replicas int

	// Sentinels in the group; more than half of them decide. Defaults to 3.
	Sentinels int

	// DownAfter is how long a master must be silent before Sentinels hold it
	// for down. Defaults to 2 s: a busy machine, or a disk that is slow to
	// sync, easily halts a healthy master for one.
	DownAfter time.Duration

	// Dir holds a directory for each server. Empty means a temporary one,
	// which Stop removes.
	Dir string

	// AppendFsync is that of master and replicas, as in Options.
	AppendFsync string
}

func (o SentinelOptions) withDefaults() SentinelOptions {
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Sentinels == 0 {
		o.Sentinels = 3
	}
	if o.DownAfter == 0 {
		o.DownAfter = 2 * time.Second
	}
	return o
}

// Sentinel is a running group: Nodes hold data, the first of them as the
// master to begin with, and Sentinels watch over them.
type Sentinel struct {
	Nodes     []*Server
	Sentinels []*Server
	group     *group
}

// StartSentinel starts a group and returns when every replica is in step and
// every Sentinel knows all the others, so that a failover can begin at once.
// ctx bounds the start only, which also ends after a minute.
func StartSentinel(ctx context.Context, opts SentinelOptions) (*Sentinel, error) {
	opts = opts.withDefaults()
	if opts.Replicas < 1 || opts.Sentinels < 1 {
		return nil, errors.New("redistest: a Sentinel group has at least one replica and one Sentinel")
	}
	ctx, cancel := context.WithTimeout(ctx, groupLimit)
	defer cancel()
	g, err := newGroup(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Sentinel{group: g}
	if err := s.start(ctx, opts); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return s, nil
}

func (s *Sentinel) start(ctx context.Context, opts SentinelOptions) error {
	for i := range opts.Replicas + 1 {
		// Without a diskless delay of zero each replica waits five seconds
		// for company before it gets its first copy.
		conf := "repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nrepl-ping-replica-period 1\nreplica-announce-ip 127.0.0.1"
		if i > 0 {
			conf += fmt.Sprintf("\nreplicaof 127.0.0.1 %d", s.Nodes[0].Port())
		}
		node, err := Start(ctx, Options{
			Dir:         filepath.Join(s.group.dir, fmt.Sprintf("node%d", i)),
			AppendFsync: opts.AppendFsync,
			conf:        conf,
		})
		if err != nil {
			return err
		}
		s.group.add(node)
		s.Nodes = append(s.Nodes, node)
	}
	if err := s.awaitReplicas(ctx); err != nil {
		return err
	}
	for i := range opts.Sentinels {
		watcher, err := Start(ctx, Options{
			Dir:      filepath.Join(s.group.dir, fmt.Sprintf("sentinel%d", i)),
			conf:     sentinelConf(s.Nodes[0].Port(), opts),
			sentinel: true,
		})
		if err != nil {
			return err
		}
		s.group.add(watcher)
		s.Sentinels = append(s.Sentinels, watcher)
		if err := s.hasten(ctx, watcher); err != nil {
			return err
		}
	}
	return s.awaitAcquainted(ctx)
}

func sentinelConf(master int, opts SentinelOptions) string {
	return strings.Join([]string{
		"sentinel announce-ip 127.0.0.1",
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d %d", MasterName, master, opts.Sentinels/2+1),
		fmt.Sprintf("sentinel down-after-milliseconds %s %d", MasterName, opts.DownAfter.Milliseconds()),
		// The pause before a second try when an election or a promotion
		// came to nothing; the default is three minutes.
		fmt.Sprintf("sentinel failover-timeout %s 4000", MasterName),
		fmt.Sprintf("sentinel parallel-syncs %s %d", MasterName, opts.Replicas),
	}, "\n")
}

// hasten makes a Sentinel look around more often than every ten and two
// seconds, and not go on strike for half a minute (its "tilt" mode) when a busy
// machine made it late. Before Redis 7.0 that cannot be set, and the defaults
// have to do.
func (s *Sentinel) hasten(ctx context.Context, watcher *Server) error {
	rdb := watcher.newClient()
	defer rdb.Close()
	err := rdb.Do(ctx, "sentinel", "debug", "tilt-trigger", 60000, "tilt-period", 1000, "info-period", 1000, "publish-period", 500).Err()
	if err != nil && !unknownSubcommand(err) {
		return fmt.Errorf("redistest: setting a Sentinel's periods: %w", err)
	}
	return nil
}

func (s *Sentinel) awaitReplicas(ctx context.Context) error {
	rdb := s.Nodes[0].newClient()
	defer rdb.Close()
	return await(ctx, "waiting for the replicas", func(ctx context.Context) error {
		info, err := rdb.Info(ctx, "replication").Result()
		if err != nil {
			return err
		}
		if n := strings.Count(info, "state=online"); n != len(s.Nodes)-1 {
			return fmt.Errorf("%d of %d replicas are in step", n, len(s.Nodes)-1)
		}
		// A replica may be online a second before it acknowledges its first write.
		conn := rdb.Conn()
		defer conn.Close()
		if err := conn.Publish(ctx, "redistest", "in step").Err(); err != nil {
			return err
		}
		if n, err := conn.Wait(ctx, len(s.Nodes)-1, 100*time.Millisecond).Result(); err != nil || int(n) != len(s.Nodes)-1 {
			return fmt.Errorf("%d of %d replicas acknowledge (error: %v)", n, len(s.Nodes)-1, err)
		}
		return nil
	})
}

func (s *Sentinel) awaitAcquainted(ctx context.Context) error {
	return await(ctx, "waiting for the Sentinels to know each other", func(ctx context.Context) error {
		for _, watcher := range s.Sentinels {
			var m map[string]string
			var replicas []map[string]string
			err := s.ask(ctx, watcher, func(ctx context.Context, c *redis.SentinelClient) (err error) {
				if m, err = c.Master(ctx, MasterName).Result(); err != nil {
					return err
				}
				replicas, err = c.Replicas(ctx, MasterName).Result()
				return err
			})
			if err != nil {
				return err
			}
			linked := 0
			for _, r := range replicas {
				if r["flags"] == "slave" && r["master-link-status"] == "ok" {
					linked++
				}
			}
			if m["flags"] != "master" || m["num-other-sentinels"] != strconv.Itoa(len(s.Sentinels)-1) || linked != len(s.Nodes)-1 {
				return fmt.Errorf("sentinel %s sees the master as %s, %s other sentinels, %d linked replicas",
					watcher.Addr(), m["flags"], m["num-other-sentinels"], linked)
			}
		}
		return nil
	})
}

// URL returns redis-sentinel:// with the address of every Sentinel, database
// 0 and the master's name.
func (s *Sentinel) URL() string {
	return "redis-sentinel://" + addrs(s.Sentinels) + "/0?master=" + MasterName
}

// Client returns a new client that follows the master. The caller closes it;
// Stop does so too.
func (s *Sentinel) Client() *redis.Client {
	rdb := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:      MasterName,
		SentinelAddrs:   strings.Split(addrs(s.Sentinels), ","),
		DisableIdentity: true,
	})
	s.group.onStop(func() error { return closeQuietly(rdb) })
	return rdb
}

// Master returns the node that the first Sentinel to answer names as the
// master, which may be one that is down and not yet replaced. It returns nil
// when no Sentinel answers.
func (s *Sentinel) Master() *Server {
	for _, watcher := range s.Sentinels {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		node, err := s.namedBy(ctx, watcher)
		cancel()
		if err == nil {
			return node
		}
	}
	return nil
}

// KillMaster kills the master as a crash would and returns it, or nil when
// no Sentinel can name it. AwaitMaster waits for its successor; Restart
// brings it back, and the Sentinels then make a replica of it.
func (s *Sentinel) KillMaster() *Server {
	node := s.Master()
	if node != nil {
		node.Kill()
	}
	return node
}

// Failover has the Sentinels promote a replica while the master is well, and
// returns when all of them name the new one and it takes writes. The old
// master may go on taking writes for some seconds, all of them lost.
func (s *Sentinel) Failover(ctx context.Context) error {
	old := s.Master()
	if old == nil {
		return errors.New("redistest: failover: no Sentinel answers")
	}
	return await(ctx, "failover", func(ctx context.Context) error {
		watcher := s.Sentinels[0]
		switch named, err := s.namedBy(ctx, watcher); {
		case err != nil:
			return err
		case named != old:
			_, err := s.agreedMaster(ctx, old)
			return err
		}
		// A Sentinel refuses while a failover is under way, which is just as
		// well, and while it knows of no good replica. One that it began may
		// come to nothing. In all these cases it is asked again.
		err := s.ask(ctx, watcher, func(ctx context.Context, c *redis.SentinelClient) error {
			return c.Failover(ctx, MasterName).Err()
		})
		if err == nil {
			err = errors.New("begun")
		}
		return err
	})
}

// AwaitMaster waits until every running Sentinel names one and the same
// master, other than old, and that one says so itself, and returns it. A nil
// old accepts any.
func (s *Sentinel) AwaitMaster(ctx context.Context, old *Server) (*Server, error) {
	var node *Server
	err := await(ctx, "waiting for a master", func(ctx context.Context) (err error) {
		node, err = s.agreedMaster(ctx, old)
		return err
	})
	if err != nil {
		return nil, err
	}
	return node, nil
}

// agreedMaster is one look of AwaitMaster.
func (s *Sentinel) agreedMaster(ctx context.Context, old *Server) (*Server, error) {
	var node *Server
	for _, watcher := range s.Sentinels {
		if watcher.PID() == 0 {
			continue
		}
		named, err := s.namedBy(ctx, watcher)
		switch {
		case err != nil:
			return nil, err
		case named == old:
			return nil, fmt.Errorf("sentinel %s still names %s", watcher.Addr(), old.Addr())
		case node != nil && node != named:
			return nil, fmt.Errorf("the Sentinels name %s and %s", node.Addr(), named.Addr())
		}
		node = named
	}
	if node == nil {
		return nil, errors.New("no Sentinel is running")
	}
	rdb := node.newClient()
	defer rdb.Close()
	info, err := rdb.Info(ctx, "replication").Result()
	if err != nil {
		return nil, err
	}
	if role := field(info, "role"); role != "master" {
		return nil, fmt.Errorf("%s says it is a %s", node.Addr(), role)
	}
	return node, nil
}

// Stop kills every server, closes the clients made by Client, and removes
// the temporary directory if there is one. It may be called again.
func (s *Sentinel) Stop() error { return s.group.stop() }

// namedBy returns the node that one Sentinel calls the master.
func (s *Sentinel) namedBy(ctx context.Context, watcher *Server) (*Server, error) {
	var named []string
	err := s.ask(ctx, watcher, func(ctx context.Context, c *redis.SentinelClient) (err error) {
		named, err = c.GetMasterAddrByName(ctx, MasterName).Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(named) == 2 {
		for _, n := range s.Nodes {
			if n.Addr() == net.JoinHostPort(named[0], named[1]) {
				return n, nil
			}
		}
	}
	return nil, fmt.Errorf("redistest: sentinel %s names %q, which is none of ours", watcher.Addr(), named)
}

// ask runs one question to a Sentinel over a connection of its own.
func (s *Sentinel) ask(ctx context.Context, watcher *Server, question func(context.Context, *redis.SentinelClient) error) error {
	c := redis.NewSentinelClient(&redis.Options{
		Addr:                  watcher.Addr(),
		Protocol:              2,
		MaxRetries:            -1,
		DialerRetries:         1,
		DialTimeout:           time.Second,
		ReadTimeout:           time.Second,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
	})
	defer c.Close()
	return question(ctx, c)
}
