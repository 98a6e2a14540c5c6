package record

import "github.com/redis/go-redis/v9"

// MayAskConfig reports whether a client asks for settings by CONFIG GET: as Redis'
// default user only, who may do everything unless it was restricted. The documented
// user may not, since whoever may CONFIG GET can read requirepass and masterauth; and
// to ask would leave a refusal in Redis' ACL log at each start and scrape.
func MayAskConfig(rdb redis.UniversalClient) bool {
	var user string
	switch rdb := rdb.(type) {
	case *redis.Client:
		user = rdb.Options().Username
	case *redis.ClusterClient:
		user = rdb.Options().Username
	default:
		return false
	}
	return user == "" || user == "default"
}
