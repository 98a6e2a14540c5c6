package asynqx

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// shape is how one script of asynq's is called. Keys are those of the queue "q" without the
// part that all have; ID is that of the task, and DAY a date. Arguments are given by their
// type in Go and by what they are.
type shape struct{ keys, args string }

// known are the scripts of asynq v0.26 that this package recognises, is put before, answers for
// asynq, or must not take for one of those. A script whose text is another has to be read
// again: then its SHA-1 here is the new one.
var known = map[string]struct {
	shape
	sha string
	why string // what here relies on it
}{
	"stores a task": {
		shape{
			"t:ID pending",
			"[]byte message, string ID, int64 nanoseconds",
		}, "98d28b42650870a743450ffda9791e9e19c6991b",
		"Capture and ConditionalClient: it answers 1 for stored and 0 for an id that exists, and is put behind others and into a loop",
	},
	"stores a task for later": {
		shape{
			"t:ID scheduled",
			"[]byte message, int64 seconds, string ID",
		}, "8ce6b38a99b73194585c251eb3c2a89559f37a87",
		"Capture and ConditionalClient, as above",
	},
	"asks for a task": {
		shape{
			"pending paused active lease",
			"int64 seconds, string asynq:{q}:t:",
		}, "a8153319360adc71cdc370107f8ab9786f204765",
		"DequeueClient knows it by its keys and answers that there is none; the next task is the last of the list",
	},
	"removes a task that is done": {
		shape{
			"active lease t:ID processed:DAY processed",
			"string ID, int64 seconds, int64 max",
		}, "1241eaa1c73409baaf1fea0c08d203a4911bda15",
		"CompleteClient knows it by its first argument and puts a script before it",
	},
	"completes a task": {
		shape{
			"active lease completed t:ID processed:DAY processed",
			"string ID, int64 seconds, int64 seconds, []byte message, int64 max",
		}, "117dca952700588e559c7ace20b925096d587974",
		"CompleteClient, as above",
	},
	"gives a task back": {
		shape{
			"active lease pending t:ID",
			"string ID",
		}, "f34cbfd11d1fc8019af55b50c447fc68eb8b29e5",
		"CompleteClient, as above; DequeueClient must not take it for its own, which has four keys too",
	},
	"lets a task be tried again": {
		shape{
			"t:ID active lease retry processed:DAY failed:DAY processed failed",
			"string ID, []byte message, int64 seconds, int64 seconds, bool, int64 max",
		}, "65fa409c88198a681c53e0892d8276eca0145694",
		"LeaseClient knows it by its keys, and a lost lease by the error in the message",
	},
	"archives a task": {
		shape{
			"t:ID active lease archived processed:DAY failed:DAY processed failed t:",
			"string ID, []byte message, int64 seconds, int64 seconds, int, int64 seconds, int64 max",
		}, "9c3b1eb9947ce2ee5304ac013a0a365ec364fd2d",
		"LeaseClient, as above",
	},
	"makes delayed tasks pending": {
		shape{
			"scheduled pending",
			"int64 seconds, string asynq:{q}:t:, int64 nanoseconds, string asynq:{q}:g:",
		}, "522b1a6ae66fe79ea2f24a9af58798ab71879035",
		"ForwardClient knows it by its keys and first argument, and answers that none is due",
	},
	"makes tasks pending that are to be tried again": {
		shape{
			"retry pending",
			"int64 seconds, string asynq:{q}:t:, int64 nanoseconds, string asynq:{q}:g:",
		}, "522b1a6ae66fe79ea2f24a9af58798ab71879035",
		"ForwardClient, as above",
	},
	"lists leases that are over": {
		shape{
			"lease",
			"int64 seconds, string asynq:{q}:t:",
		}, "16988a462595f6ee317be300951533b004f27f5c",
		"none of the above",
	},
	"reclaims groups": {
		shape{
			"aggregation_sets",
			"int64 seconds",
		}, "7c08714194a1ed81153180b36590c51f1ccd7d42",
		"none of the above",
	},
	"forgets completed tasks": {
		shape{
			"completed",
			"int64 seconds, string asynq:{q}:t:, int",
		}, "49c4326d80c1db9c476da2aa7f4438d03688f82b",
		"none of the above",
	},
	"reads a task": {
		shape{
			"t:ID",
			"string ID, int64 seconds, string asynq:{q}:",
		}, "1463a65d3fd6698099862e1314658984affe6ed7",
		"Decode answers it: the message, the state, when the task runs next, and the result",
	},
	"lists delayed tasks": {
		shape{
			"scheduled",
			"int64, int64, string asynq:{q}:t:",
		}, "8ce4326dbba042f10ec098fa779168e0a9e8c6c8",
		"Inspector.Waiting",
	},
	"archives a task by hand": {
		shape{
			"t:ID archived groups",
			"string ID, int64 seconds, int64 seconds, int, string asynq:{q}:, string asynq:{q}:g:",
		}, "c3183bd2c882c715c12e3e44b9c09df7d91de1ad",
		"Task.ArchivedByHand: it leaves the message as it was",
	},
	"sums up a queue": {
		shape{
			"pending active scheduled retry archived completed processed:DAY failed:DAY processed failed paused groups",
			"string asynq:{q}:t:, string asynq:{q}:g:",
		}, "8495598cb6d9a2efdaf2ae98021a8f4ef1803b3d",
		"Inspector.SumUp",
	},
	"measures a queue": {
		shape{
			"active pending scheduled retry archived completed groups",
			"string asynq:{q}:t:, int, int, string asynq:{q}:g:",
		}, "0c80fc1868e3aae205155ae2017ce995a3a7cec0",
		"Inspector.SumUp",
	},
	"runs a task by hand": {
		shape{
			"t:ID pending groups",
			"string ID, string asynq:{q}:, string asynq:{q}:g:",
		}, "2fb646810e3433bbe85fba1a6b407eb3eced7b63",
		"Inspector.Run",
	},
}

// scriptCall is one call of a script.
type scriptCall struct {
	sha   string
	keys  []string
	args  []any
	shape shape
}

// recorder is a Redis client that notes what asynq does with it.
type recorder struct {
	redis.UniversalClient
	ids []string // of the tasks

	mu       sync.Mutex
	scripts  []scriptCall
	texts    map[string]string // by SHA-1
	extended []string          // leases, with how their members were given
	channels []string
	sets     []string // that members were added to or looked for in
}

func (r *recorder) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	r.mu.Lock()
	aboutServers := slices.ContainsFunc(keys, func(k string) bool { return !strings.HasPrefix(k, "asynq:{q}:") })
	if !aboutServers {
		r.scripts = append(r.scripts, scriptCall{sha, keys, args, r.shapeOf(keys, args)})
	}
	r.mu.Unlock()
	return r.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

func (r *recorder) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	r.mu.Lock()
	r.texts[redis.NewScript(text).Hash()] = text
	r.mu.Unlock()
	return r.UniversalClient.Eval(ctx, text, keys, args...)
}

func (r *recorder) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	r.mu.Lock()
	for _, m := range members {
		r.extended = append(r.extended, fmt.Sprintf("%s %v %s", key, m.Member, secondsFromNow(int64(m.Score))))
	}
	r.mu.Unlock()
	return r.UniversalClient.ZAddXX(ctx, key, members...)
}

func (r *recorder) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	r.mu.Lock()
	r.channels = append(r.channels, channels...)
	r.mu.Unlock()
	return r.UniversalClient.Subscribe(ctx, channels...)
}

func (r *recorder) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	r.noteSet("add", key, members)
	return r.UniversalClient.SAdd(ctx, key, members...)
}

func (r *recorder) SIsMember(ctx context.Context, key string, member any) *redis.BoolCmd {
	r.noteSet("look", key, member)
	return r.UniversalClient.SIsMember(ctx, key, member)
}

func (r *recorder) noteSet(how, key string, member any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if note := fmt.Sprint(how, " ", key, " ", member); !slices.Contains(r.sets, note) {
		r.sets = append(r.sets, note)
	}
}

var day = regexp.MustCompile(`\d{4}-\d\d-\d\d$`)

func (r *recorder) shapeOf(keys []string, args []any) shape {
	var ks, as []string
	for _, k := range keys {
		k = strings.TrimPrefix(k, "asynq:{q}:")
		if id, ok := strings.CutPrefix(k, "t:"); ok && slices.Contains(r.ids, id) {
			k = "t:ID"
		}
		ks = append(ks, day.ReplaceAllString(k, "DAY"))
	}
	for _, a := range args {
		as = append(as, strings.TrimSpace(fmt.Sprintf("%T %s", a, r.meaning(a))))
	}
	return shape{strings.Join(ks, " "), strings.ReplaceAll(strings.Join(as, ", "), "[]uint8", "[]byte")}
}

// meaning is what an argument is, empty where that does not matter.
func (r *recorder) meaning(arg any) string {
	switch a := arg.(type) {
	case string:
		if slices.Contains(r.ids, a) {
			return "ID"
		}
		return a
	case []byte:
		if t, err := DecodeMessage(a); err == nil && slices.Contains(r.ids, t.ID) {
			return "message"
		}
	case int64:
		const days = 100 * 24 * time.Hour // asynq keeps statistics for 90
		switch {
		case a == math.MaxInt64:
			return "max"
		case time.Since(time.Unix(a, 0)).Abs() < days:
			return "seconds"
		case time.Since(time.Unix(0, a)).Abs() < days:
			return "nanoseconds"
		}
	}
	return ""
}

func secondsFromNow(at int64) string {
	return time.Until(time.Unix(at, 0)).Round(10 * time.Second).String()
}
