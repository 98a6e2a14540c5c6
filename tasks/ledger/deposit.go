package ledger

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

var (
	//go:embed deposit.lua
	depositLua string
	//go:embed settle.lua
	settleLua string

	depositScript = redisx.NewScript[depositKeys, depositArgs, string](record.ScriptText(record.ReplicationLua + EndedLua + depositLua))
	settle        = redisx.NewScript[settleKeys, settleArgs, int64](record.ScriptText(record.ReplicationLua + EndedLua + settleLua))
)

type depositKeys struct {
	Task, Done, Dead, Replication string
	record.OutcomeKeys
}

type depositArgs struct {
	ID       string
	Token    string    // of the sweep
	Died     time.Time `unit:"ms"` // by asynq, zero for unknown
	Type     string
	Queue    string
	Payload  []byte
	Headers  []byte
	LastErr  string // asynq's
	Reason   string
	Enqueued time.Time `unit:"ms"` // zero for unknown
	By       string    // the sweeper, or a person who archived it
	ReasonZh string
	// Since is either the latest time at which that person can have archived it, or a time at
	// which it was not archived yet. A task that died of a verdict after Since was not stopped
	// by that person.
	Since time.Time `unit:"ms"`
	Owner string    // of the outcomes
}

type settleKeys struct {
	Task, Dead, Replication, Cancel string
	record.OutcomeKeys
}

type settleArgs struct {
	ID       string
	Token    string // of the sweep
	What     string // keep, withdraw, or unless done: keep it unless the task is done
	Reason   string
	Enqueued time.Time `unit:"ms"` // zero for unknown
	ReasonZh string
	Owner    string // of the outcomes
}

// stillUnsure is what settle.lua answers of a letter whose note has to stay.
const stillUnsure = 2

// reasonSwept is stored with a task that asynq archived without our verdict.
var reasonSwept = record.Text{
	En: "archived without a verdict: its worker died; look it up at ECPay if it was sent",
	Zh: "未經判定即封存：工作程序中斷，若曾送出請至綠界查詢",
}

// reasonByHand is stored with a task that a person archived, also when it had died before and
// was run again: the person who stopped it decided later than the one who had it run again.
var reasonByHand = record.Text{
	En: "archived by hand; replay it by its id to let it go on, or resolve it; if it was sent, look it up at ECPay first",
	Zh: "由人手動封存；要繼續請指定任務編號重送，不需要則結案；若曾送出，請先至綠界查詢",
}

func (d *deposit) reason() record.Text {
	if _, ok := record.ArchivedByHand(d.by); ok {
		return reasonByHand
	}
	return reasonSwept
}

// nobodyKnown is who put a letter into the ledger when a person archived the task by
// other means than ours: asynq does not keep who.
var nobodyKnown = record.ByHand("unknown") // deposit.lua has it too

const maxLastErr = 500

// Deposited is what became of one task of [Store.DepositAll].
type Deposited struct {
	// Kept means that the ledger has the task now.
	Kept bool
	Err  error
}

// Deposit is [Store.DepositAll] of one task.
func (s *Store) Deposit(ctx context.Context, queue, id, token string) (bool, error) {
	d := s.DepositAll(ctx, queue, []string{id}, token)[0]
	return d.Kept, d.Err
}

// DepositAll copies tasks that asynq archived, or left as remnants, into the
// ledger, as far as they are not there, with a few round trips for all of them.
// An error of one does not keep the others.
//
// asynq and the ledger are in different slots, so that this takes several steps, and the process
// may end at any point of them: the letters are noted as unsure, written, compared with asynq
// again, and then kept or withdrawn. Letters that are still noted are finished by the next
// sweep.
func (s *Store) DepositAll(ctx context.Context, queue string, ids []string, token string) []Deposited {
	return s.depositAll(ctx, queue, ids, token, record.BySweeper, time.Time{})
}

// Now is Redis' clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return now, nil
}

// DepositByHand is [Store.DepositAll] of tasks that a person has just archived in asynq, as far
// as asynq still has them so. since is a time by Redis' clock at which they were not archived
// yet: what a verdict killed after it was not stopped by that person. A task that this did not
// reach is found by the next sweep as archived by a person, of whom the sweep has no name.
func (s *Store) DepositByHand(ctx context.Context, queue string, ids []string, who string, since time.Time) []Deposited {
	answer := make([]Deposited, len(ids))
	var dead []string
	var at []int
	for i, there := range s.LookAll(ctx, queue, ids) {
		if answer[i].Err = there.Err; there.Err == nil && there.State.Dead() {
			dead, at = append(dead, ids[i]), append(at, i)
		}
	}
	for i, d := range s.depositAll(ctx, queue, dead, tasks.NewNonce(), record.ByHand(who), since) {
		answer[at[i]] = d
	}
	return answer
}

func (s *Store) depositAll(ctx context.Context, queue string, ids []string, token, by string, since time.Time) []Deposited {
	all := make([]*deposit, len(ids))
	for i, id := range ids {
		all[i] = &deposit{queue: queue, id: id, token: token, by: by, since: since}
	}
	unsure, known := s.writeAll(ctx, s.noteAll(ctx, s.readAll(ctx, all)))
	s.forgetAll(ctx, append(known, s.settleAll(ctx, unsure)...))
	answer := make([]Deposited, len(all))
	for i, d := range all {
		answer[i] = Deposited{d.kept && d.err == nil, d.err}
	}
	return answer
}

// deposit is a task on its way into the ledger. Each step takes some and returns
// those that go on.
type deposit struct {
	queue, id, token, by string
	info                 *asynqx.Task
	since                time.Time // of a person's act
	headers              []byte
	enqueued             time.Time // zero for unknown
	died                 time.Time

	kept bool
	err  error
}

func (d *deposit) fail(what string, err error) { d.err = fmt.Errorf("%s: %w", what, err) }

// readAll reads what asynq has.
func (s *Store) readAll(ctx context.Context, all []*deposit) (there []*deposit) {
	pipe := s.rdb.Pipeline()
	stored := make([]asynqx.Archiving, len(all))
	for i, d := range all {
		stored[i] = asynqx.ReadArchiving(ctx, pipe, d.queue, d.id)
	}
	redisx.ExecEach(ctx, pipe)
	for i, d := range all {
		err := d.decode(stored[i])
		if err == nil {
			there = append(there, d)
			continue
		}
		// A task that is gone, or was run meanwhile, does not belong into the ledger.
		if state, perr := s.Look(ctx, d.queue, d.id); perr != nil || state.Dead() {
			d.fail("read task "+d.id, err)
		}
	}
	return there
}

func (d *deposit) decode(stored asynqx.Archiving) error {
	info, hand, at, err := stored.Decode(d.queue, d.id)
	if err != nil {
		return err
	}
	d.info = info
	if d.died = info.LastFailedAt; d.by != record.BySweeper {
		d.died = time.Time{} // just now
	} else if hand {
		d.by, d.died = nobodyKnown, at
		if !at.IsZero() {
			d.since = at.Add(time.Second - time.Millisecond) // asynq counts in seconds
		}
	}
	d.enqueued = tasks.ParseHeaders(d.info.Headers).Enqueued
	d.headers, err = json.Marshal(d.info.Headers)
	return err
}

// noteAll notes the letters that are about to be written, and before that their
// owners.
func (s *Store) noteAll(ctx context.Context, all []*deposit) (noted []*deposit) {
	if len(all) == 0 {
		return nil
	}
	owners := map[string]*redisx.Call[int64]{}
	for _, d := range all {
		owners[record.Owner(d.id)] = names.Call(namesKeys{record.OwnersKey}, namesArgs{Name: record.Owner(d.id)})
	}
	names.RunAll(ctx, s.rdb, slices.Collect(maps.Values(owners)))
	var members []any
	for _, d := range all {
		_, err := owners[record.Owner(d.id)].Answer()
		if err == nil {
			err = NoteOutcomes(ctx, s.rdb, s.topology, record.Owner(d.id))
		}
		if err != nil {
			d.fail("note owner of dead letter", err)
			continue
		}
		noted, members = append(noted, d), append(members, d.member())
	}
	if len(noted) == 0 {
		return nil
	}
	if err := s.rdb.SAdd(ctx, record.UnsureKey, members...).Err(); err != nil {
		for _, d := range noted {
			d.fail("note unsure letter", err)
		}
		return nil
	}
	return noted
}

// writeAll writes the letters. Of a task that is in the ledger already, or done, the letter is
// not unsure.
func (s *Store) writeAll(ctx context.Context, all []*deposit) (unsure, known []*deposit) {
	calls := make([]*redisx.Call[string], len(all))
	for i, d := range all {
		calls[i] = depositScript.Call(
			depositKeys{
				record.TaskKey(d.id), record.DoneKey(d.id), record.DeadKey(d.id), record.ReplicationKey(s.topology, d.id),
				record.OutcomeKeysOf(s.topology, record.Owner(d.id)),
			},
			depositArgs{
				ID: d.id, Token: d.token, Died: d.died, Type: d.info.Type, Queue: d.queue, Payload: d.info.Payload, Headers: d.headers,
				LastErr: record.Clip(d.info.LastErr, maxLastErr), Reason: d.reason().En, Enqueued: d.enqueued, By: d.by,
				ReasonZh: d.reason().Zh, Since: d.since, Owner: record.Owner(d.id),
			})
	}
	depositScript.RunAll(ctx, s.rdb, calls)
	for i, d := range all {
		switch state, err := calls[i].Answer(); {
		case err != nil:
			d.fail("copy into ledger", err)
		case state == "unsure":
			unsure = append(unsure, d)
		case state == "stopping":
			d.kept = true // and its note stays
		default:
			d.kept = state == "known"
			known = append(known, d)
		}
	}
	return unsure, known
}

// settleAll keeps or withdraws letters that are unsure. It returns those that are not unsure any more.
func (s *Store) settleAll(ctx context.Context, all []*deposit) (settled []*deposit) {
	tasks := make([]asynqx.TaskAt, len(all))
	for i, d := range all {
		tasks[i] = asynqx.TaskAt{Queue: d.queue, ID: d.id}
	}
	var seen []*deposit
	var calls []*redisx.Call[int64]
	for i, there := range asynqx.Look(ctx, s.rdb, tasks) {
		d := all[i]
		if there.Err != nil {
			d.err = there.Err
			continue
		}
		what := "withdraw" // somebody ran it: asynq has it
		switch {
		case there.State.Dead():
			what, d.kept = "keep", true
		case there.State == asynqx.NoTask:
			what = "unless done" // trimmed or deleted; then the letter is all there is
		}
		seen = append(seen, d)
		calls = append(calls, settle.Call(
			settleKeys{
				record.TaskKey(d.id), record.DeadKey(d.id), record.ReplicationKey(s.topology, d.id), record.CancelKey(d.id),
				record.OutcomeKeysOf(s.topology, record.Owner(d.id)),
			},
			settleArgs{d.id, d.token, what, d.reason().En, d.enqueued, d.reason().Zh, record.Owner(d.id)}))
	}
	settle.RunAll(ctx, s.rdb, calls)
	for i, d := range seen {
		switch v, err := calls[i].Answer(); {
		case err != nil:
			d.fail("settle letter", err)
		case v != stillUnsure:
			settled = append(settled, d)
		}
	}
	return settled
}

// forgetAll removes the notes of letters that are not unsure any more.
func (s *Store) forgetAll(ctx context.Context, all []*deposit) {
	if len(all) == 0 {
		return
	}
	members := make([]any, len(all))
	for i, d := range all {
		members[i] = d.member()
	}
	if err := s.rdb.SRem(ctx, record.UnsureKey, members...).Err(); err != nil {
		for _, d := range all {
			d.fail("settle letter", err)
		}
	}
}

// member is how a letter is noted.
func (d *deposit) member() string { return d.queue + "\x00" + d.id }

// SettleLeftovers finishes up to n letters whose deposit did not end.
func (s *Store) SettleLeftovers(ctx context.Context, n int) (int, error) {
	members, err := s.rdb.SRandMemberN(ctx, record.UnsureKey, int64(n)).Result()
	if err != nil || len(members) == 0 {
		if err != nil {
			err = fmt.Errorf("read unsure letters: %w", err)
		}
		return 0, err
	}
	all := make([]*deposit, len(members))
	for i, m := range members {
		all[i] = &deposit{}
		all[i].queue, all[i].id, _ = strings.Cut(m, "\x00")
	}
	unsure, known := s.readUnsure(ctx, all)
	forgotten := append(known, s.settleAll(ctx, unsure)...) // among the known are those that were cancelled
	s.forgetAll(ctx, forgotten)
	s.noteAgain(ctx, forgotten)
	ended := 0
	for _, d := range forgotten {
		if d.err == nil {
			ended++
		}
	}
	for _, d := range all {
		if err == nil {
			err = d.err
		}
	}
	return ended, err
}

// noteAgain notes letters that were written between being read and being forgotten: of what is
// being cancelled, asynq soon has nothing by which a sweep would find it.
func (s *Store) noteAgain(ctx context.Context, forgotten []*deposit) {
	var sound []*deposit
	for _, d := range forgotten {
		if d.err == nil {
			sound = append(sound, d)
		}
	}
	if len(sound) == 0 {
		return
	}
	unsure, _ := s.readUnsure(ctx, sound)
	for _, d := range unsure {
		if err := s.rdb.SAdd(ctx, record.UnsureKey, d.member()).Err(); err != nil {
			d.fail("note unsure letter", err)
		}
	}
}

// Settle finishes the letter of a task if it is unsure. Its note stays for the next sweep:
// whoever is about to write a letter relies on it.
func (s *Store) Settle(ctx context.Context, queue, id string) error {
	d := &deposit{queue: queue, id: id}
	unsure, _ := s.readUnsure(ctx, []*deposit{d})
	s.settleAll(ctx, unsure)
	return d.err
}

// readUnsure reads the letters as they were written. Known are those that are not unsure.
func (s *Store) readUnsure(ctx context.Context, all []*deposit) (unsure, known []*deposit) {
	stored := make([]*redis.SliceCmd, len(all))
	pipe := s.rdb.Pipeline()
	for i, d := range all {
		stored[i] = pipe.HMGet(ctx, record.TaskKey(d.id), record.FieldUnsure, record.FieldHeaders, record.FieldBy)
	}
	redisx.ExecEach(ctx, pipe)
	for i, d := range all {
		v, err := stored[i].Result()
		if !redisx.Missing(err) {
			d.fail("settle letter", err)
			continue
		}
		if len(v) != 3 || v[0] == nil {
			known = append(known, d)
			continue
		}
		d.token, _ = v[0].(string)
		// The letter has the headers by now, and who put it there.
		d.by, _ = v[2].(string)
		text, _ := v[1].(string)
		var headers map[string]string
		_ = json.Unmarshal([]byte(text), &headers)
		d.enqueued = tasks.ParseHeaders(headers).Enqueued
		unsure = append(unsure, d)
	}
	return unsure, known
}
