package record

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
)

// Tasks that one page has, where nothing is said and at most, and how many are looked at for one.
const (
	DefaultTasks = 100
	MaxTasks     = 1000
	maxLooked    = 2000
	searchPage   = 250
)

// TaskQuery says which tasks are wanted. They have all that is named.
type TaskQuery struct {
	// Merchants are those that are wanted, none for all.
	Merchants []string
	// State is one of [ListedStates], empty for all.
	State string
	// Fields are what fields of payloads have, like numbers of orders and invoices.
	Fields []FieldIs
	// After is the cursor of the page before, empty to begin.
	After string
	// Limit is how many are wanted at once, 0 for [DefaultTasks], [MaxTasks] at most.
	Limit int
}

// FieldIs is the value of a field, under each of the names that types have for it.
type FieldIs struct {
	Names []string
	Value string
	// Issued means that a task whose invoice has the value as its number is wanted as well.
	Issued bool
}

// TaskPage is an answer.
type TaskPage struct {
	Tasks []Task
	// Next is the cursor to go on with, empty at the end. A page may have no task and a cursor:
	// so many were looked at that the rest is for the next one.
	Next string
	// Broken are the merchants of which something was passed over: another program wrote one of their keys.
	Broken []string
}

// ErrTaskCursor means that a text is no cursor of [Reader.Tasks].
var ErrTaskCursor = errors.New("this is no cursor of tasks; give back the one that came with the last page as it is, or none to begin")

// ListedStates are the states of tasks that can be listed: in asynq or in the ledger.
func ListedStates() []string {
	return []string{StatePending, StateScheduled, StateActive, StateRetry, StateHeld, StateCompleted, StateDead}
}

// index is a list or a sorted set of ids: one of asynq's of a queue, or the ledger of an owner.
type index struct {
	queue, list string // of asynq's
	owner       string // of the ledger
}

func (x index) name() string {
	if x.owner != "" {
		return "ledger:" + x.owner
	}
	return x.list + ":" + x.queue
}

func (x index) key() string {
	if x.owner != "" {
		return OwnerDeadKey(x.owner)
	}
	return asynqx.Key(x.queue, x.list)
}

func (x index) sorted() bool { return x.list != asynqx.Pending && x.list != asynqx.Active }

// reached is how far a search has come: after a member of the index with a score, or after so
// many of a list.
type reached struct {
	index  string
	at     int64
	member string
}

const taskCursorVersion = "1"

func (r reached) cursor() string {
	parts := []string{taskCursorVersion, r.index, strconv.FormatInt(r.at, 10), r.member}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\n")))
}

func parseTaskCursor(s string) (reached, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	parts := strings.SplitN(string(b), "\n", 4)
	if err != nil || len(s) > 1024 || len(parts) != 4 || parts[0] != taskCursorVersion {
		return reached{}, ErrTaskCursor
	}
	at, err := strconv.ParseInt(parts[2], 10, 64)
	r := reached{parts[1], at, parts[3]}
	if err != nil || at < 0 || r.cursor() != s {
		return reached{}, ErrTaskCursor
	}
	return r, nil
}

// listsOf are asynq's lists in which a task of a state is, in the order in which a task goes
// through them: one that moves on during a search is seen again rather than missed.
func listsOf(state string) []string {
	switch state {
	case "":
		return []string{asynqx.Scheduled, asynqx.Retry, asynqx.Pending, asynqx.Active, asynqx.Completed, asynqx.Archived}
	case StatePending:
		return []string{asynqx.Scheduled, asynqx.Pending}
	case StateHeld:
		return []string{asynqx.Retry}
	case StateDead:
		return []string{asynqx.Archived}
	default: // the words are asynq's
		return []string{state}
	}
}

// Tasks returns a page of the tasks that are wanted, in no particular order. What comes, goes or
// moves during the search may be missed or be there twice.
//
// Where types have a number in their ids and the merchants are named, the tasks are found at once.
// Otherwise every task of asynq's and of the ledger is looked at, some thousands for each page.
func (r *Reader) Tasks(ctx context.Context, q TaskQuery) (TaskPage, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultTasks
	}
	q.Limit = min(q.Limit, MaxTasks)
	if ids, ok := q.ids(); ok && q.After == "" {
		var page TaskPage
		for i, f := range r.GetAll(ctx, ids) {
			switch {
			case errors.Is(f.Err, ErrNotFound), errors.Is(f.Err, ErrStuck):
			case redisx.IsWrongType(f.Err):
				page.broken(Owner(ids[i]))
			case f.Err != nil:
				return TaskPage{}, f.Err
			case q.wants(f.Task) && len(page.Tasks) < q.Limit:
				page.Tasks = append(page.Tasks, f.Task)
			}
		}
		return page, nil
	}
	var from reached
	if q.After != "" {
		var err error
		if from, err = parseTaskCursor(q.After); err != nil {
			return TaskPage{}, err
		}
	}
	indexes, err := r.indexes(ctx, q)
	if err != nil {
		return TaskPage{}, err
	}
	if from.index != "" {
		i := slices.IndexFunc(indexes, func(x index) bool { return x.name() >= from.index && x.owner != "" || x.name() == from.index })
		if i < 0 {
			return TaskPage{}, nil // the ledgers after it are empty now
		}
		indexes = indexes[i:]
	}
	s := search{r: r, q: q}
	for _, x := range indexes {
		at := reached{index: x.name()}
		if from.index == x.name() {
			at = from
		}
		switch next, full, err := s.walk(ctx, x, at); {
		case err != nil:
			return TaskPage{}, err
		case full:
			s.page.Next = next.cursor()
			return s.page, nil
		}
	}
	return s.page, nil
}

func (p *TaskPage) broken(owner string) {
	if !slices.Contains(p.Broken, owner) {
		p.Broken = append(p.Broken, owner)
	}
}

// ids are those of all tasks that may have the numbers, if they can be told.
func (q TaskQuery) ids() (ids []string, ok bool) {
	for _, n := range q.Fields {
		if len(q.Merchants) == 0 {
			return nil, false
		}
		if n.Issued { // no id has what a task was told
			continue
		}
		ids = nil
		ok = true
		for _, t := range tasks.Types() {
			name := ""
			for _, f := range t.Fields {
				if slices.Contains(n.Names, f.Name) {
					name = f.Name
				}
			}
			if name == "" {
				continue
			}
			for _, m := range q.Merchants {
				id, known := t.IDOf(m, map[string]string{name: n.Value})
				ok = ok && known
				ids = append(ids, id)
			}
		}
		if ok {
			return ids, true
		}
	}
	return nil, false
}

func (q TaskQuery) owns(id string) bool {
	return len(q.Merchants) == 0 || slices.Contains(q.Merchants, Owner(id))
}

// wants reports whether a task is one that was asked for.
func (q TaskQuery) wants(t Task) bool {
	if !q.owns(t.ID) || q.State != "" && t.State != q.State {
		return false
	}
	if len(q.Fields) == 0 {
		return true
	}
	var fields map[string]any
	_ = json.Unmarshal(t.Payload, &fields) // none, of a payload that is no JSON
	typ, _ := tasks.ByName(t.Type)
	subject := typ.SubjectOf(t.ID)
	for _, n := range q.Fields {
		if n.Issued && t.Invoice != nil && t.Invoice.Number == n.Value {
			continue
		}
		if !slices.ContainsFunc(n.Names, func(name string) bool {
			return fields[name] == n.Value || subject[name] == n.Value || typ.AnyCase && strings.EqualFold(subject[name], n.Value)
		}) {
			return false
		}
	}
	return true
}

// indexes are those that may have tasks of the query.
func (r *Reader) indexes(ctx context.Context, q TaskQuery) ([]index, error) {
	var all []index
	for _, queue := range tasks.QueueNames() {
		for _, list := range listsOf(q.State) {
			all = append(all, index{queue: queue, list: list})
		}
	}
	if q.State != "" && q.State != StateDead {
		return all, nil
	}
	owners := slices.Clone(q.Merchants)
	if len(owners) == 0 {
		var err error
		if owners, err = r.rdb.ZRange(ctx, OwnersKey, 0, -1).Result(); err != nil {
			return nil, fmt.Errorf("list owners of dead letters: %w", err)
		}
	}
	slices.Sort(owners)
	for _, o := range slices.Compact(owners) {
		all = append(all, index{owner: o})
	}
	return all, nil
}

// search is one page on its way.
type search struct {
	r      *Reader
	q      TaskQuery
	page   TaskPage
	looked int
}

// walk looks through an index. full means that the page ends here.
func (s *search) walk(ctx context.Context, x index, at reached) (next reached, full bool, err error) {
	for {
		ids, after, err := s.r.ids(ctx, x, at)
		if x.owner != "" && redisx.IsWrongType(err) {
			s.page.broken(x.owner)
			return at, false, nil
		}
		if err != nil {
			return at, false, err
		}
		kept, err := s.keep(ctx, x, ids)
		if err != nil {
			return at, false, err
		}
		found := s.r.GetAll(ctx, kept)
		for i, id := range ids {
			at = after[i]
			k := slices.Index(kept, id)
			if k < 0 {
				continue
			}
			switch f := found[k]; {
			case errors.Is(f.Err, ErrNotFound), errors.Is(f.Err, ErrStuck):
			case redisx.IsWrongType(f.Err):
				s.page.broken(Owner(id))
			case f.Err != nil:
				return at, false, f.Err
			case s.q.wants(f.Task) && (x.owner == "" || f.State == StateDead):
				s.page.Tasks = append(s.page.Tasks, f.Task)
			}
			if len(s.page.Tasks) == s.q.Limit {
				return at, true, nil
			}
		}
		if s.looked += len(ids); len(ids) < searchPage {
			return at, false, nil
		}
		if s.looked >= maxLooked {
			return at, true, nil
		}
	}
}

// keep leaves out what the ids alone tell is not wanted, and what the archive and the ledger
// both have: that is seen in the ledger.
func (s *search) keep(ctx context.Context, x index, ids []string) ([]string, error) {
	var kept []string
	for _, id := range ids {
		if _, _, err := tasks.ParseID(id); err == nil && s.q.owns(id) {
			kept = append(kept, id)
		}
	}
	if x.list != asynqx.Archived || len(kept) == 0 {
		return kept, nil
	}
	pipe := s.r.rdb.Pipeline()
	scores := make([]*redis.FloatCmd, len(kept))
	for i, id := range kept {
		scores[i] = pipe.ZScore(ctx, DeadKey(id), id)
	}
	if err := redisx.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("look into the ledger: %w", err)
	}
	var alone []string
	for i, id := range kept {
		if scores[i].Err() != nil {
			alone = append(alone, id)
		}
	}
	return alone, nil
}

// ids returns the next ids of an index, and beside each how far it is then.
func (r *Reader) ids(ctx context.Context, x index, at reached) (ids []string, after []reached, err error) {
	if !x.sorted() {
		ids, err = r.rdb.LRange(ctx, x.key(), at.at, at.at+searchPage-1).Result()
		for i := range ids {
			after = append(after, reached{index: at.index, at: at.at + int64(i) + 1})
		}
		return ids, after, listError(x, err)
	}
	// Of those with the score that was reached, the ones up to the member were seen. They may be
	// more than a page.
	for offset := int64(0); ; offset += searchPage {
		zs, err := r.rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
			Key: x.key(), Start: strconv.FormatInt(at.at, 10), Stop: "+inf", ByScore: true, Offset: offset, Count: searchPage,
		}).Result()
		if err != nil {
			return nil, nil, listError(x, err)
		}
		for _, z := range zs {
			id, _ := z.Member.(string)
			if int64(z.Score) == at.at && id <= at.member {
				continue
			}
			ids, after = append(ids, id), append(after, reached{at.index, int64(z.Score), id})
		}
		if len(zs) < searchPage || len(ids) >= searchPage {
			return ids, after, nil
		}
	}
}

func listError(x index, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("list %s: %w", x.key(), err)
}
