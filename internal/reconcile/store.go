package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const (
	// maxStored is how many findings of a merchant are stored.
	maxStored = 50
	// storedFor is how long the last result is kept when none follows.
	storedFor = 35 * 24 * time.Hour
	// maxLoaded is of how many merchants results are loaded at once.
	maxLoaded = 1000
)

// Stored is what the last comparison of a merchant by a schedule found.
type Stored struct {
	MerchantID string    `json:"merchant_id"`
	At         time.Time `json:"at"`
	// Days are those that were compared, the first one first.
	Days []StoredDay `json:"days"`
	// Findings are the first ones, and More is how many others there are.
	Findings []Finding `json:"findings"`
	More     int       `json:"more"`
	// Numbers are those of invoices (字軌) that end soon.
	Numbers []LowNumbers `json:"numbers,omitempty"`
	// Error says why a day could not be compared, empty for none.
	Error string `json:"error,omitempty"`
}

// LowNumbers are those of a category, term and InvType that end soon, with what to do.
type LowNumbers struct {
	Of        string `json:"of"`
	Warning   string `json:"warning"`
	WarningZh string `json:"warning_zh"`
}

// Text is the warning in both languages.
func (n LowNumbers) Text() record.Text { return record.Text{En: n.Warning, Zh: n.WarningZh} }

// Tally counts what a schedule found of all its merchants.
type Tally struct {
	// Findings are counted by kind.
	Findings map[Kind]int `json:"findings"`
	// LowNumbers is how many terms of merchants have few invoice numbers left.
	LowNumbers int `json:"low_numbers"`
	// Failed is how many merchants could not be compared.
	Failed int `json:"failed"`
}

// Add counts the result of a merchant.
func (t *Tally) Add(r Result) {
	if t.Findings == nil {
		t.Findings = map[Kind]int{}
	}
	for _, f := range r.Findings {
		t.Findings[f.Kind]++
	}
}

// StoredDay counts what one day had.
type StoredDay struct {
	Day      string `json:"day"`
	Invoices int    `json:"invoices"`
	Findings int    `json:"findings"`
}

// Add takes the result of a day.
func (s *Stored) Add(r Result) {
	s.Days = append(s.Days, StoredDay{r.Day, r.Invoices, len(r.Findings)})
	room := min(maxStored-len(s.Findings), len(r.Findings))
	s.Findings = append(s.Findings, r.Findings[:room]...)
	s.More += len(r.Findings) - room
}

// Count is how many findings there are.
func (s *Stored) Count() int { return len(s.Findings) + s.More }

// Save stores the last result of a merchant in the place of the one before.
func Save(ctx context.Context, rdb redis.UniversalClient, s Stored) error {
	s.Error = record.Clip(s.Error, 1000)
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	pipe := rdb.Pipeline()
	pipe.HSet(ctx, record.ReconciledKey, s.MerchantID, text)
	pipe.Expire(ctx, record.ReconciledKey, storedFor)
	if err := redisx.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("store the result of merchant %s: %w", s.MerchantID, err)
	}
	return nil
}

// Load returns the last results by MerchantID, and whether there are more than are loaded.
func Load(ctx context.Context, rdb redis.UniversalClient) (all []Stored, more bool, err error) {
	seen := map[string]bool{}
	for cursor := uint64(0); ; {
		var page []string
		if page, cursor, err = rdb.HScan(ctx, record.ReconciledKey, cursor, "*", 100).Result(); err != nil {
			return nil, false, fmt.Errorf("read the results of reconcile: %w", err)
		}
		for pair := range slices.Chunk(page, 2) {
			var s Stored
			if seen[pair[0]] || json.Unmarshal([]byte(pair[1]), &s) != nil { // written by another version
				continue
			}
			seen[pair[0]] = true
			all = append(all, s)
		}
		if more = len(all) >= maxLoaded; cursor == 0 || more {
			break
		}
	}
	slices.SortFunc(all, func(a, b Stored) int { return strings.Compare(a.MerchantID, b.MerchantID) })
	return all, more, nil
}

// SaveTally stores that of a schedule in the place of the one before.
func SaveTally(ctx context.Context, rdb redis.UniversalClient, schedule string, t Tally) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	pipe := rdb.Pipeline()
	pipe.HSet(ctx, record.ReconcileTallyKey, schedule, text)
	pipe.Expire(ctx, record.ReconcileTallyKey, storedFor)
	if err := redisx.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("store what schedule %s found: %w", schedule, err)
	}
	return nil
}

// Tallies returns those of schedules by name. One that has not run yet is left out.
func Tallies(ctx context.Context, rdb redis.UniversalClient, schedules []string) (map[string]Tally, error) {
	all := map[string]Tally{}
	if len(schedules) == 0 {
		return all, nil
	}
	texts, err := rdb.HMGet(ctx, record.ReconcileTallyKey, schedules...).Result()
	if err != nil {
		return nil, fmt.Errorf("read what schedules found: %w", err)
	}
	for i, text := range texts {
		var t Tally
		if s, ok := text.(string); ok && json.Unmarshal([]byte(s), &t) == nil {
			all[schedules[i]] = t
		}
	}
	return all, nil
}
