package redistest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

const slots = 16384

// ClusterOptions describes a Redis Cluster without replicas.
type ClusterOptions struct {
	// Masters is the number of nodes, at least three. Defaults to 3.
	Masters int

	// Dir holds a directory for each node. Empty means a temporary one, which
	// Stop removes.
	Dir string

	// AppendFsync is that of every node, as in Options.
	AppendFsync string
}

// Cluster is a running Redis Cluster. Kill, Restart and Freeze its Nodes to
// see what a client makes of it.
type Cluster struct {
	Nodes []*Server
	group *group
}

// StartCluster starts the nodes, gives each an equal share of the slots and
// returns when all of them call the cluster complete. ctx bounds the start
// only, which also ends after a minute.
func StartCluster(ctx context.Context, opts ClusterOptions) (*Cluster, error) {
	if opts.Masters == 0 {
		opts.Masters = 3
	}
	if opts.Masters < 3 {
		return nil, fmt.Errorf("redistest: a cluster has at least 3 masters, not %d", opts.Masters)
	}
	ctx, cancel := context.WithTimeout(ctx, groupLimit)
	defer cancel()
	g, err := newGroup(opts.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{group: g}
	if err := c.start(ctx, opts); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, opts ClusterOptions) error {
	for i := range opts.Masters {
		s, err := Start(ctx, Options{
			Dir:         filepath.Join(c.group.dir, fmt.Sprintf("node%d", i)),
			AppendFsync: opts.AppendFsync,
			conf: "cluster-enabled yes\ncluster-config-file nodes.conf\n" +
				"cluster-node-timeout 2000\ncluster-announce-ip 127.0.0.1",
			busPort: true,
		})
		if err != nil {
			return err
		}
		c.group.add(s)
		c.Nodes = append(c.Nodes, s)
	}
	clients := make([]*redis.Client, len(c.Nodes))
	for i, s := range c.Nodes {
		clients[i] = s.newClient()
		defer clients[i].Close()
	}
	for i, rdb := range clients {
		// Distinct epochs from the start: nodes that all began with zero
		// would first have to settle which of them moves up.
		if err := rdb.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return fmt.Errorf("redistest: setting a node's epoch: %w", err)
		}
		first, last := share(i, len(clients))
		if err := addSlots(ctx, rdb, first, last); err != nil {
			return fmt.Errorf("redistest: giving slots %d to %d to a node: %w", first, last, err)
		}
	}
	// Only after that: a node that knows another one takes no epoch any more.
	for i, rdb := range clients {
		// Each meets all the others itself, which is faster than hearing of
		// them by gossip.
		for _, other := range c.Nodes[i+1:] {
			if err := rdb.ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(other.Port())).Err(); err != nil {
				return fmt.Errorf("redistest: introducing two nodes: %w", err)
			}
		}
	}
	return c.awaitWhole(ctx, clients)
}

func (c *Cluster) awaitWhole(ctx context.Context, clients []*redis.Client) error {
	return await(ctx, "waiting for the cluster to be complete", func(ctx context.Context) error {
		for i, rdb := range clients {
			info, err := rdb.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			state, known, ok := field(info, "cluster_state"), field(info, "cluster_known_nodes"), field(info, "cluster_slots_ok")
			if state != "ok" || known != strconv.Itoa(len(clients)) || ok != strconv.Itoa(slots) {
				return fmt.Errorf("node %s: cluster_state %s, %s nodes known, %s slots ok", c.Nodes[i].Addr(), state, known, ok)
			}
		}
		return nil
	})
}

// URL returns redis-cluster:// with the address of every node.
func (c *Cluster) URL() string { return "redis-cluster://" + addrs(c.Nodes) }

// Client returns a new cluster client. The caller closes it; Stop does so too.
func (c *Cluster) Client() *redis.ClusterClient {
	rdb := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                    strings.Split(addrs(c.Nodes), ","),
		DisableIdentity:          true,
		MaintNotificationsConfig: noNotifications(),
	})
	c.group.onStop(func() error { return closeQuietly(rdb) })
	return rdb
}

// Stop kills every node, closes the clients made by Client, and removes the
// temporary directory if there is one. It may be called again.
func (c *Cluster) Stop() error { return c.group.stop() }

// share returns the first and the last slot of node i of n.
func share(i, n int) (first, last int) {
	return i * slots / n, (i+1)*slots/n - 1
}

func addSlots(ctx context.Context, rdb *redis.Client, first, last int) error {
	err := rdb.ClusterAddSlotsRange(ctx, first, last).Err()
	if err == nil || !unknownSubcommand(err) {
		return err
	}
	// Redis before 7.0 has only the long form.
	all := make([]int, 0, last-first+1)
	for slot := first; slot <= last; slot++ {
		all = append(all, slot)
	}
	return rdb.ClusterAddSlots(ctx, all...).Err()
}

// unknownSubcommand reports that the server is older than what it was asked.
func unknownSubcommand(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "unknown subcommand") ||
		strings.Contains(strings.ToLower(err.Error()), "unknown sentinel subcommand")
}
