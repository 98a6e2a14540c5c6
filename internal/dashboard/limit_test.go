package dashboard

import (
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
