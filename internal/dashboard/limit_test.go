package dashboard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// door is where vera and olga log in, at hashes that cost little.
type door struct {
	*testing.T
	*sessions
	clock time.Time
}

func newDoor(t *testing.T) *door {
	d := &door{T: t, clock: time.Unix(0, 0)}
	var users []User
	for _, name := range []string{"vera", "olga"} {
		h, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, User{Name: name, PasswordHash: string(h)})
	}
	d.sessions = newSessions(users, func() time.Time { return d.clock })
	return d
}

func (d *door) try(from, name, password string, want error) {
	d.Helper()
	token, err := d.begin(d.Context(), from, name, password)
	if !errors.Is(err, want) || (token != "") != (want == nil && password == "right" && d.users[name].Name != "") {
		d.Errorf("%s from %s: got session %q and error %v, want error %v", name, from, token, err, want)
	}
}

func TestTenFailuresMakeOneNameWaitAndNobodyElse(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	long := strings.Repeat("x", 10*longestName)
	for _, name := range []string{"olga", "nobody", "", long} { // whether or not there is such a user
		for i := range 10 {
			d.try("10.0.0.1", name, fmt.Sprint(i), nil)
			d.try("10.0.0.1", "vera", "right", nil) // lifts no bound but vera's own
		}
		d.try("10.0.0.1", name, "right", errTooMany)
	}
	d.try("10.0.0.1", "vera", "right", nil)
	d.try("10.0.0.2", "olga", "right", nil)
	d.clock = d.clock.Add(time.Minute - 1)
	d.try("10.0.0.1", "olga", "right", errTooMany)
	d.clock = d.clock.Add(1)
	d.try("10.0.0.1", "olga", "right", nil)
	for who := range d.failures {
		if len(who.name) > longestName+len("name ") {
			t.Errorf("%d bytes of a name are kept", len(who.name))
		}
	}
	for range 9 {
		d.try("10.0.0.1", "olga", "wrong", nil)
	}
	d.try("10.0.0.1", "olga", "right", nil)
	d.try("10.0.0.1", "olga", "wrong", nil)
	d.try("10.0.0.1", "olga", "right", nil) // begins anew
}

func TestAHundredFailuresMakeAnAddressWaitWhateverSucceeds(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for i := range 100 {
		d.try("2001:db8::1", "vera", "right", nil)
		d.try(fmt.Sprintf("2001:db8::%x", i), fmt.Sprint("name", i), "wrong", nil) // one customer of IPv6
	}
	d.try("2001:db8::ffff", "vera", "right", errTooManyHere)
	d.try("2001:db8:0:1::1", "vera", "right", nil)
	d.clock = d.clock.Add(10*time.Minute - 1)
	d.try("2001:db8::1", "vera", "right", errTooManyHere)
	d.clock = d.clock.Add(1)
	d.try("2001:db8::1", "vera", "right", nil)
	d.try("2001:db8::1", "vera", "wrong", nil)
	d.try("2001:db8::1", "vera", "right", nil) // begins anew
}

func TestWhoseFailuresAreKeptIsBounded(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for range 10 {
		d.try("10.0.0.1", "olga", "wrong", nil)
	}
	old := failure{1, d.clock.Add(-ofAddress.within)}
	for i := len(d.failures); i < maxWatched; i++ {
		d.failures[watched{from: fmt.Sprint(i)}] = old
	}
	d.try("10.0.0.2", "olga", "wrong", nil) // the old ones make room
	d.try("10.0.0.1", "olga", "right", errTooMany)
	for i := 0; len(d.failures) < maxWatched; i++ {
		d.failures[watched{from: fmt.Sprint(i)}] = failure{1, d.clock}
	}
	d.try("10.0.0.3", "olga", "wrong", nil)
	if n := len(d.failures); n > maxWatched {
		t.Errorf("%d are kept, want %d at most", n, maxWatched)
	}
}

// hasher compares passwords when it is told to, and says how many it has begun.
type hasher struct {
	begun   chan string // the password
	proceed chan struct{}
}

func (d *door) withHasher() *hasher {
	h := &hasher{begun: make(chan string, 1000), proceed: make(chan struct{})}
	d.compare = func(_, password []byte) error {
		h.begun <- string(password)
		<-h.proceed
		if string(password) != "right" {
			return errors.New("no")
		}
		return nil
	}
	return h
}

type result struct {
	token string
	err   error
}

// log in without waiting for the answer.
func (d *door) goIn(ctx context.Context, from, name, password string) chan result {
	done := make(chan result, 1)
	go func() {
		token, err := d.begin(ctx, from, name, password)
		done <- result{token, err}
	}()
	return done
}

func TestAFloodOfBadLoginsLeavesAPlaceForAGoodOneFromElsewhere(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	h := d.withHasher()
	const n = 80
	all := make(chan result, n)
	for i := range n {
		go func() {
			token, err := d.begin(t.Context(), "10.0.0.1", fmt.Sprint("name", i), "wrong")
			all <- result{token, err}
		}()
	}
	// One is compared, two wait, and all others are told to come again.
	for range n - 3 {
		if r := <-all; !errors.Is(r.err, errFull) {
			t.Fatalf("got %+v, want that it is too many at once", r)
		}
	}
	if got := <-h.begun; got != "wrong" {
		t.Fatalf("compared %q", got)
	}

	good := d.goIn(t.Context(), "10.0.0.2", "olga", "right")
	if got := <-h.begun; got != "right" { // beside the one that is being compared, and before those that wait
		t.Fatalf("compared %q, want the good one", got)
	}
	if len(h.begun) != 0 {
		t.Error("more than two are compared at a time")
	}
	for range 2 {
		h.proceed <- struct{}{}
	}
	if r := <-good; r.err != nil || r.token == "" {
		t.Errorf("the good one: got %+v, want a session", r)
	}
	// The next of the bad ones is compared, and another good one finds its place too.
	<-all
	<-h.begun
	good = d.goIn(t.Context(), "10.0.0.3", "vera", "right")
	if got := <-h.begun; got != "right" {
		t.Errorf("compared %q, want the good one", got)
	}
	close(h.proceed)
	if r := <-good; r.err != nil || r.token == "" {
		t.Errorf("the second good one: got %+v, want a session", r)
	}
}

func TestAddressesWhoseLoginsFailShareOnePlaceHoweverManyTheyAre(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for i := range 40 {
		d.try(fmt.Sprintf("10.0.1.%d", i), "olga", "wrong", nil)
	}
	h := d.withHasher()
	results := make(chan result, 40)
	for i := range 40 {
		go func() {
			token, err := d.begin(t.Context(), fmt.Sprintf("10.0.1.%d", i), "olga", "wrong")
			results <- result{token, err}
		}()
	}
	<-h.begun
	for range 40 - 2 - loginCrowd {
		if r := <-results; !errors.Is(r.err, errFull) {
			t.Fatalf("got %+v, want that it is too many at once", r)
		}
	}
	if len(h.begun) != 0 {
		t.Errorf("%d more are compared, want one at a time", len(h.begun))
	}
	close(h.proceed)
}

func TestALoginThatIsGivenUpLeavesItsPlace(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	h := d.withHasher()
	first := d.goIn(t.Context(), "10.0.0.1", "olga", "right")
	<-h.begun
	ctx, cancel := context.WithCancel(t.Context())
	second := d.goIn(ctx, "10.0.0.1", "olga", "right")
	cancel()
	if r := <-second; !errors.Is(r.err, context.Canceled) {
		t.Errorf("got %+v, want that it was given up", r)
	}
	close(h.proceed)
	if r := <-first; r.err != nil || r.token == "" {
		t.Errorf("got %+v, want a session", r)
	}
	d.try("10.0.0.1", "olga", "right", nil)
	if d.hashing.inside != 0 || len(d.hashing.clients) != 0 || len(d.hashing.slots)+len(d.hashing.kept) != 0 {
		t.Errorf("left behind: %d inside, %d clients", d.hashing.inside, len(d.hashing.clients))
	}
}
