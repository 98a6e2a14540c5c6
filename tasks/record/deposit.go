package record

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks"
)

// reasonSwept is stored with a task that asynq archived without our verdict.
var reasonSwept = Text{"archived without a verdict: its worker died; look it up at ECPay if it was sent", "未經判定即封存：工作程序中斷，若曾送出請至綠界查詢"}

// reasonByHand is stored with a task that a person archived, also when it had died
// before: to have it run again was somebody's word, and to stop it is the newer one.
var reasonByHand = Text{"archived by hand; replay it by its id to let it go on, or resolve it; if it was sent, look it up at ECPay first", "由人手動封存；要繼續請指定任務編號重送，不需要則結案；若曾送出，請先至綠界查詢"}

func (d *deposit) reason() Text {
	if _, ok := ArchivedByHand(d.by); ok {
		return reasonByHand
	}
	return reasonSwept
}

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
// asynq and the ledger are in different slots, so that this takes steps, after
// and amid any of which the process may end: the letters are noted as unsure,
// written, compared with asynq again, and then kept or withdrawn. What is noted
// is finished by the next sweep.
func (s *Store) DepositAll(ctx context.Context, queue string, ids []string, token string) []Deposited {
	return s.depositAll(ctx, queue, ids, token, BySweeper, time.Time{})
}

// Now is Redis' clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("read clock: %w", err)
	}
	return now, nil
}

// DepositByHand is [Store.DepositAll] of tasks that a person has just archived in
// asynq, as far as asynq still has them so. since is a time by Redis' clock at which
// they were not archived yet: what a verdict killed after it was not stopped by that
// person. What this does not come to is known to the next sweep as archived by a
// person, but not by whom.
func (s *Store) DepositByHand(ctx context.Context, queue string, ids []string, who string, since time.Time) []Deposited {
	answer := make([]Deposited, len(ids))
	var dead []string
	var at []int
	for i, p := range s.PlaceAll(ctx, queue, ids) {
		if answer[i].Err = p.Err; p.Err == nil && p.At.Dead() {
			dead, at = append(dead, ids[i]), append(at, i)
		}
	}
	for i, d := range s.depositAll(ctx, queue, dead, tasks.NewNonce(), ByHand(who), since) {
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
	info                 *asynq.TaskInfo
	since                time.Time // of a person's act
	headers              []byte
	enqueued             int64 // ms, 0 for unknown
	died                 time.Time

	kept bool
	err  error
}

func (d *deposit) fail(what string, err error) { d.err = fmt.Errorf("%s: %w", what, err) }

// readAll reads what asynq has.
func (s *Store) readAll(ctx context.Context, all []*deposit) (there []*deposit) {
	pipe := s.rdb.Pipeline()
	stored := make([]archiving, len(all))
	for i, d := range all {
		stored[i] = readArchiving(ctx, pipe, d.queue, d.id)
	}
	ExecEach(ctx, pipe)
	for i, d := range all {
		err := d.decode(s.rdb, stored[i])
		if err == nil {
			there = append(there, d)
			continue
		}
		// What is gone or was run meanwhile is no concern of the ledger's.
		if p, perr := s.Place(ctx, d.queue, d.id); perr != nil || p.Dead() {
			d.fail("read task "+d.id, err)
		}
	}
	return there
}

func (d *deposit) decode(rdb redis.UniversalClient, stored archiving) error {
	info, hand, at, err := stored.decode(rdb, d.queue, d.id)
	if err != nil {
		return err
	}
	d.info = info
	if d.died = info.LastFailedAt; d.by != BySweeper {
		d.died = time.Time{} // just now
	} else if hand {
		d.by, d.died = nobodyKnown, at
		if !at.IsZero() {
			d.since = at.Add(time.Second - time.Millisecond) // asynq counts in seconds
		}
	}
	d.enqueued = UnixMilli(tasks.ParseHeaders(d.info.Headers).Enqueued)
	d.headers, err = json.Marshal(d.info.Headers)
	return err
}

// noteAll notes the letters that are about to be written, and before that their
// owners.
func (s *Store) noteAll(ctx context.Context, all []*deposit) (noted []*deposit) {
	if len(all) == 0 {
		return nil
	}
	owners := map[string]*run{}
	for _, d := range all {
		owners[Owner(d.id)] = &run{keys: []string{OwnersKey}, args: []any{Owner(d.id), 0}}
	}
	runAll(ctx, s.rdb, owner, slices.Collect(maps.Values(owners)))
	var members []any
	for _, d := range all {
		if err := owners[Owner(d.id)].answer.Err(); err != nil {
			d.fail("note owner of dead letter", err)
			continue
		}
		noted, members = append(noted, d), append(members, d.member())
	}
	if len(noted) == 0 {
		return nil
	}
	if err := s.rdb.SAdd(ctx, UnsureKey, members...).Err(); err != nil {
		for _, d := range noted {
			d.fail("note unsure letter", err)
		}
		return nil
	}
	return noted
}

// writeAll writes the letters. Some are known to the ledger or done: then there is
// no doubt about them.
func (s *Store) writeAll(ctx context.Context, all []*deposit) (unsure, known []*deposit) {
	runs := make([]*run, len(all))
	for i, d := range all {
		runs[i] = &run{
			keys: []string{TaskKey(d.id), DoneKey(d.id), DeadKey(d.id), ReplicationKey(s.rdb, d.id)},
			args: []any{
				d.id, d.token, UnixMilli(d.died), d.info.Type, d.queue, d.info.Payload, d.headers, Clip(d.info.LastErr, maxLastErr),
				d.reason().En, d.enqueued, d.by, d.reason().Zh, UnixMilli(d.since),
			},
		}
	}
	runAll(ctx, s.rdb, depositScript, runs)
	for i, d := range all {
		switch state, err := runs[i].answer.Text(); {
		case err != nil:
			d.fail("copy into ledger", err)
		case state == "unsure":
			unsure = append(unsure, d)
		default:
			d.kept = state == "known"
			known = append(known, d)
		}
	}
	return unsure, known
}

// settleAll ends the doubt about letters.
func (s *Store) settleAll(ctx context.Context, all []*deposit) (settled []*deposit) {
	looks := make([]*run, len(all))
	for i, d := range all {
		looks[i] = placeRun(d.queue, d.id, look)
	}
	runAll(ctx, s.rdb, place, looks)
	var seen []*deposit
	var runs []*run
	for i, d := range all {
		p, err := looks[i].place()
		if err != nil {
			d.err = err
			continue
		}
		what := "withdraw" // somebody ran it: asynq has it
		switch {
		case p.Dead():
			what, d.kept = "keep", true
		case p == PlaceNone:
			what = "unless done" // trimmed or deleted; then the letter is all there is
		}
		seen = append(seen, d)
		runs = append(runs, &run{
			keys: []string{TaskKey(d.id), DeadKey(d.id), ReplicationKey(s.rdb, d.id)},
			args: []any{d.id, d.token, what, d.reason().En, d.enqueued, d.reason().Zh},
		})
	}
	runAll(ctx, s.rdb, confirm, runs)
	for i, d := range seen {
		if err := runs[i].answer.Err(); err != nil {
			d.fail("settle letter", err)
			continue
		}
		settled = append(settled, d)
	}
	return settled
}

// forgetAll removes the notes of letters about which there is no doubt.
func (s *Store) forgetAll(ctx context.Context, all []*deposit) {
	if len(all) == 0 {
		return
	}
	members := make([]any, len(all))
	for i, d := range all {
		members[i] = d.member()
	}
	if err := s.rdb.SRem(ctx, UnsureKey, members...).Err(); err != nil {
		for _, d := range all {
			d.fail("settle letter", err)
		}
	}
}

// UnixMilli is a time as scripts take it, 0 for none.
func UnixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// member is how a letter is noted.
func (d *deposit) member() string { return d.queue + "\x00" + d.id }

// SettleLeftovers finishes up to n letters whose deposit did not end.
func (s *Store) SettleLeftovers(ctx context.Context, n int) (int, error) {
	members, err := s.rdb.SRandMemberN(ctx, UnsureKey, int64(n)).Result()
	if err != nil || len(members) == 0 {
		if err != nil {
			err = fmt.Errorf("read unsure letters: %w", err)
		}
		return 0, err
	}
	all := make([]*deposit, len(members))
	stored := make([]*redis.SliceCmd, len(members))
	pipe := s.rdb.Pipeline()
	for i, m := range members {
		d := &deposit{}
		d.queue, d.id, _ = strings.Cut(m, "\x00")
		all[i], stored[i] = d, pipe.HMGet(ctx, TaskKey(d.id), FieldUnsure, FieldHeaders, FieldBy)
	}
	ExecEach(ctx, pipe)
	var unsure, known []*deposit
	for i, d := range all {
		v, err := stored[i].Result()
		if !Missing(err) {
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
		d.enqueued = UnixMilli(tasks.ParseHeaders(headers).Enqueued)
		unsure = append(unsure, d)
	}
	s.forgetAll(ctx, append(known, s.settleAll(ctx, unsure)...))
	settled := 0
	for _, d := range all {
		if d.err == nil {
			settled++
		} else if err == nil {
			err = d.err
		}
	}
	return settled, err
}

// Clip shortens s to n bytes, not inside a character.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
