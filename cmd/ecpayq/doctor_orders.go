package main

import (
	"context"
	"fmt"
	"regexp"
	"unicode"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// How many outcomes of how many merchants doctor looks at for their RelateNumbers, and how many issues
// it wants to see before it says anything of them.
const (
	ordersOfMerchants = 20
	ordersOfEach      = 200
	fewOrders         = 10
)

// checkOrders looks at the RelateNumbers of invoices that were issued lately: one that is made up for each
// call, and not the number of the order, makes a second invoice of a call whose answer was lost.
func (p *program) checkOrders(ctx context.Context, rdb redis.UniversalClient) finding {
	const check = "relate numbers"
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	issues, random, example := 0, 0, ""
	reader := record.NewReader(rdb)
	owners, err := rdb.SRandMemberN(ctx, record.OutcomeOwnersKey, ordersOfMerchants).Result()
	for _, owner := range owners {
		latest, err := reader.LatestOutcomes(ctx, owner, ordersOfEach)
		if err != nil {
			continue // a key of another program's; outcomes name it
		}
		for _, o := range latest {
			typ, _ := tasks.ByName(o.Type)
			number := o.Subject["RelateNumber"]
			if !typ.Issues || number == "" || o.State == record.OutcomeIssued { // which tells of an end once more
				continue
			}
			if issues++; looksRandom(number) {
				random, example = random+1, number
			}
		}
	}
	switch {
	case err != nil:
		return found(check, statusWarning, "not known: "+err.Error(), redisHint(err))
	case issues < fewOrders:
		return finding{Check: check, Status: statusOK, Detail: fmt.Sprintf("%d issues lately, too few to tell", issues)}
	case 2*random < issues:
		return finding{Check: check, Status: statusOK, Detail: fmt.Sprintf("%d of the last %d look made up", random, issues)}
	}
	return found(check, statusWarning, fmt.Sprintf("%d of the last %d look made up, like %q", random, issues, example), record.Text{
		En: "give the number of the order, the same whenever the order is sent again: a new one for each call makes a second invoice " +
			"of a call whose answer was lost",
		Zh: "請使用訂單編號，同一訂單重送時不變：每次呼叫都產生新編號，遺失一次回覆就會變成兩張發票",
	})
}

var uuidForm = regexp.MustCompile(`(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)

// Letters and digits of what a person or a counter made seldom take turns; those of random text do.
const (
	randomLength = 16
	randomTurns  = 6
)

// looksRandom reports whether a text looks like one that a program made up: a UUID, or a long text in which
// letters and digits take turns.
func looksRandom(s string) bool {
	if uuidForm.MatchString(s) {
		return true
	}
	turns, before := 0, rune(0)
	for _, r := range s {
		kind := '-'
		switch {
		case unicode.IsDigit(r):
			kind = '0'
		case unicode.IsLetter(r):
			kind = 'a'
		}
		if before != 0 && kind != '-' && before != '-' && kind != before {
			turns++
		}
		before = kind
	}
	return len(s) >= randomLength && turns >= randomTurns
}
