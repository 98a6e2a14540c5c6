package redisx

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Topology is how the keys of a client are spread over servers. Its zero value means that it is
// not known: with such a client only that may be done which works on all.
type Topology struct {
	single  *redis.Client
	cluster *redis.ClusterClient
}

// TopologyOf returns that of a client, also of one that wraps another, see [Wrapped]. It
// asks no server.
func TopologyOf(rdb redis.Cmdable) Topology {
	for {
		switch c := rdb.(type) {
		case *redis.Client:
			return Topology{single: c}
		case *redis.ClusterClient:
			return Topology{cluster: c}
		case interface{ Unwrap() redis.UniversalClient }:
			rdb = c.Unwrap()
		default:
			return Topology{}
		}
	}
}

// Single reports whether one server has all keys, alone, with replicas, or found by
// Sentinels: a script may use any of them together.
func (t Topology) Single() bool { return t.single != nil }

// Cluster reports whether the keys are in slots on several masters.
func (t Topology) Cluster() bool { return t.cluster != nil }

// Sentinel reports whether the one server is found by Sentinels.
func (t Topology) Sentinel() bool { return t.single != nil && t.single.Options().Addr == failover }

// failover is what go-redis has for the address of a client of Sentinels: it asks them for each
// connection.
const failover = "FailoverClient"

// MayAskConfig reports whether the client asks for settings by CONFIG GET: as Redis'
// default user only, who may do everything unless it was restricted. The documented
// user may not, since whoever may CONFIG GET can read requirepass and masterauth; and
// to ask would leave a refusal in Redis' ACL log at each start and scrape.
func (t Topology) MayAskConfig() bool {
	var user string
	switch {
	case t.single != nil:
		user = t.single.Options().Username
	case t.cluster != nil:
		user = t.cluster.Options().Username
	default:
		return false
	}
	return user == "" || user == "default"
}

// Addresses are those that the client was given and connects to, and the TLS that it speaks there. A
// client of Sentinels has none: it connects to what they name, and does not say where they are.
func (t Topology) Addresses() (network string, addresses []string, secure *tls.Config) {
	switch {
	case t.cluster != nil:
		o := t.cluster.Options()
		return "tcp", o.Addrs, o.TLSConfig
	case t.single != nil && !t.Sentinel():
		o := t.single.Options()
		return o.Network, []string{o.Addr}, o.TLSConfig
	}
	return "", nil, nil
}

// MasterOf returns the client of the one server that has a key.
func (t Topology) MasterOf(ctx context.Context, key string) (*redis.Client, error) {
	switch {
	case t.cluster != nil:
		return t.cluster.MasterForKey(ctx, key)
	case t.single != nil:
		return t.single, nil
	default:
		return nil, errors.New("this takes a *redis.Client or *redis.ClusterClient, or what wraps one")
	}
}

// ForEachMaster calls f for every master of a cluster, several at once, or for the one
// server. Of another client it calls f with the client.
func ForEachMaster(ctx context.Context, rdb redis.Cmdable, f func(context.Context, redis.Cmdable) error) error {
	if c := TopologyOf(rdb).cluster; c != nil {
		return c.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return f(ctx, master) })
	}
	return f(ctx, rdb)
}

// Wrapped is for embedding in types that change some commands of a client: it has the client's
// other commands, and [TopologyOf] finds the client in it.
type Wrapped struct{ redis.UniversalClient }

// Unwrap returns the wrapped client.
func (w Wrapped) Unwrap() redis.UniversalClient { return w.UniversalClient }
