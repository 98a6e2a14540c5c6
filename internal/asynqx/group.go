package asynqx

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// GroupSize is how many tasks one script stores: enough to make the cost of a
// script small beside that of its tasks, and to wait for the disk rarely where
// Redis does after each script, and few enough that Redis serves others every one
// or two milliseconds.
const GroupSize = 256

// script is one of asynq's, and what makes many of it.
type script struct {
	sha, text         string
	numKeys, numArgs  int
	manySHA, manyText string
}

func newScript(text string, numKeys, numArgs int) *script {
	s := &script{text: text, numKeys: numKeys, numArgs: numArgs, manyText: repeated(text, numKeys, numArgs)}
	s.sha, s.manySHA = hash(s.text), hash(s.manyText)
	return s
}

// form is what commands must have in common for one call to execute them.
type form struct {
	*script
	queue string
}

// Captured is what holds a captured command, by which a task is to be stored.
type Captured interface{ Captured() *Command }

// Captured returns the command itself.
func (c *Command) Captured() *Command { return c }

// Group is tasks that one call stores.
type Group[T Captured] struct {
	// Entries are what holds their commands, in order.
	Entries []T

	form   form
	answer *redis.Cmd
}

// Grouped sorts entries into groups, each in its order.
func Grouped[T Captured](entries []T) (groups []*Group[T]) {
	filling := map[form]*Group[T]{}
	for _, e := range entries {
		f := e.Captured().form
		g := filling[f]
		if g == nil || len(g.Entries) == GroupSize {
			g = &Group[T]{form: f, Entries: make([]T, 0, min(GroupSize, len(entries)))}
			filling[f] = g
			groups = append(groups, g)
		}
		g.Entries = append(g.Entries, e)
	}
	return groups
}

// Send adds the call of a group to a pipeline, by the SHA-1 of its script or by its
// text.
func (g *Group[T]) Send(ctx context.Context, pipe redis.Pipeliner, asText bool) {
	n := len(g.Entries)
	args := make([]any, 3, 3+n*(g.form.numKeys+g.form.numArgs))
	args[0], args[1], args[2] = "evalsha", g.form.manySHA, n*g.form.numKeys
	if asText {
		args[0], args[1] = "eval", g.form.manyText
	}
	for _, e := range g.Entries {
		keys := e.Captured().keys
		for k := range keys {
			args = append(args, &keys[k])
		}
	}
	for _, e := range g.Entries {
		args = append(args, e.Captured().args...)
	}
	g.answer = redis.NewCmd(ctx, args...)
	g.answer.SetFirstKeyPos(3)
	_ = pipe.Process(ctx, g.answer)
}

// Unknown reports whether Redis does not know the script by its SHA-1, so that its text has to
// be sent.
func (g *Group[T]) Unknown() bool { return redis.HasErrorPrefix(g.answer.Err(), "NOSCRIPT") }

// Answer says what became of the i-th entry: nil when its task was stored, [ErrExists] when
// asynq has one with the id, [ErrOtherAsynq], or an error of Redis.
func (g *Group[T]) Answer(i int) error {
	answers, err := g.answer.Slice()
	if err != nil {
		return err
	}
	var stored any
	if i < len(answers) {
		stored = answers[i]
	}
	switch stored {
	case int64(1):
		return nil
	case int64(0):
		return ErrExists
	default:
		return fmt.Errorf("%w: its script answered %v", ErrOtherAsynq, stored)
	}
}
