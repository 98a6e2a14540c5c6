package enqueue

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// groupSize is how many tasks one script stores: enough to make the cost of a
// script small beside that of its tasks, and to wait for the disk rarely where
// Redis does after each script, and few enough that Redis serves others every one
// or two milliseconds.
const groupSize = 256

// many makes one script of asynq's, by which it stores a task, into one that
// stores many tasks of a queue: calls of scripts are much of what tasks cost
// Redis, and with appendfsync always it waits for the disk after each few.
// asynq's text is in it as it is, and finds the keys and arguments that asynq
// gave.
const many = `
local function ecpayq_one(KEYS, ARGV)
%s
end
local ecpayq_keys, ecpayq_args, ecpayq_answers = {}, {}, {}
for i = 0, #KEYS / %[2]d - 1 do
  for k = 1, %[2]d do ecpayq_keys[k] = KEYS[i * %[2]d + k] end
  for a = 1, %[3]d do ecpayq_args[a] = ARGV[i * %[3]d + a] end
  ecpayq_answers[i + 1] = ecpayq_one(ecpayq_keys, ecpayq_args)
end
return ecpayq_answers`

// script is one of asynq's, and what makes many of it.
type script struct {
	sha, text         string
	numKeys, numArgs  int
	manySHA, manyText string
}

func newScript(text string, numKeys, numArgs int) *script {
	s := &script{text: text, numKeys: numKeys, numArgs: numArgs, manyText: fmt.Sprintf(many, text, numKeys, numArgs)}
	s.sha, s.manySHA = redis.NewScript(s.text).Hash(), redis.NewScript(s.manyText).Hash()
	return s
}

// group is entries that one call stores.
type group struct {
	form
	entries []*entry
	answer  *redis.Cmd
}

// form is what the entries of a group have in common.
type form struct {
	*script
	queue string
}

// grouped sorts the open entries into groups, each in its order.
func grouped(entries []entry) (groups []*group) {
	filling := map[form]*group{}
	for i := range entries {
		e := &entries[i]
		if !e.open {
			continue
		}
		f := form{e.script, e.receipt.Queue}
		g := filling[f]
		if g == nil || len(g.entries) == groupSize {
			g = &group{form: f, entries: make([]*entry, 0, groupSize)}
			filling[f] = g
			groups = append(groups, g)
		}
		g.entries = append(g.entries, e)
	}
	return groups
}

// send adds the call of a group to a pipeline, by the SHA-1 of its script or by its
// text.
func (g *group) send(ctx context.Context, pipe redis.Pipeliner, asText bool) {
	args := make([]any, 3, 3+len(g.entries)*(g.numKeys+g.numArgs))
	args[0], args[1], args[2] = "evalsha", g.manySHA, len(g.entries)*g.numKeys
	if asText {
		args[0], args[1] = "eval", g.manyText
	}
	for _, e := range g.entries {
		for k := range e.keys {
			args = append(args, &e.keys[k])
		}
	}
	for _, e := range g.entries {
		args = append(args, e.args...)
	}
	g.answer = redis.NewCmd(ctx, args...)
	g.answer.SetFirstKeyPos(3)
	_ = pipe.Process(ctx, g.answer)
}

// judge settles the entries of a group by its answer, and returns those whose id
// exists. That may be by this very batch, since the Redis client sends a pipeline
// again when it has lost the answers: the nonce tells.
func (g *group) judge(ctx context.Context, err error) (there []*entry) {
	var answers []any
	if err == nil {
		answers, err = g.answer.Slice()
	}
	for i, e := range g.entries {
		var stored any
		if i < len(answers) {
			stored = answers[i]
		}
		switch {
		case err != nil:
			e.settle(Receipt{}, redisError(ctx, e.receipt.ID, err))
		case stored == int64(1):
			e.settle(e.receipt, nil)
		case stored == int64(0):
			e.open = false
			there = append(there, e)
		default:
			e.settle(Receipt{}, fmt.Errorf("enqueue %s: %w: its script answered %v", e.receipt.ID, errOtherAsynq, stored))
		}
	}
	return there
}
