package main_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// value is one thing that is stored in Redis, and where.
type value struct{ where, what string }

// dump reads every key of every database: names, string values, fields and
// values of hashes, members of lists, sets and sorted sets, entries of streams.
func dump(b *bench) []value {
	b.Helper()
	ctx := context.Background()
	var all []value
	for db := range 16 {
		rdb := redis.NewClient(&redis.Options{Addr: b.redis.Addr(), DB: db})
		keys := rdb.Scan(ctx, 0, "*", 1000).Iterator()
		for keys.Next(ctx) {
			values, err := read(ctx, rdb, keys.Val())
			b.must(err)
			all = append(all, value{keys.Val(), keys.Val()})
			all = append(all, values...)
		}
		b.must(keys.Err())
		b.must(rdb.Close())
	}
	return all
}

func read(ctx context.Context, rdb *redis.Client, key string) (all []value, err error) {
	add := func(where string, what ...string) {
		for _, v := range what {
			all = append(all, value{where, v})
		}
	}
	var list []string
	switch kind := rdb.Type(ctx, key).Val(); kind {
	case "none": // gone since it was listed
	case "string":
		var v string
		if v, err = rdb.Get(ctx, key).Result(); err == redis.Nil {
			return nil, nil
		}
		add(key, v)
	case "hash":
		var m map[string]string
		m, err = rdb.HGetAll(ctx, key).Result()
		for f, v := range m {
			add(key, f)
			add(key+" "+f, v)
		}
	case "list":
		list, err = rdb.LRange(ctx, key, 0, -1).Result()
		add(key, list...)
	case "set":
		list, err = rdb.SMembers(ctx, key).Result()
		add(key, list...)
	case "zset":
		list, err = rdb.ZRange(ctx, key, 0, -1).Result()
		add(key, list...)
	case "stream":
		var entries []redis.XMessage
		entries, err = rdb.XRange(ctx, key, "-", "+").Result()
		for _, e := range entries {
			for f, v := range e.Values {
				add(key+" "+e.ID+" "+f, fmt.Sprint(v))
			}
		}
	default:
		err = fmt.Errorf("key %s has type %s, which this test cannot read", key, kind)
	}
	return all, err
}
