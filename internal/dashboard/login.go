package dashboard

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Role says what a user may do.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // looks and changes
)

// User may log in.
type User struct {
	// Name is 1 to 64 letters, digits and any of "._@-".
	Name string
	// PasswordHash is bcrypt's, of cost 10 or more; `ecpayq dashboard password` makes one.
	PasswordHash string
	Role         Role
}

var userName = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

func checkUsers(users []User) error {
	seen := map[string]bool{}
	for i, u := range users {
		if !userName.MatchString(u.Name) {
			return fmt.Errorf("user %d: the name must be 1 to 64 letters, digits and any of ._@-", i+1)
		}
		if seen[u.Name] {
			return fmt.Errorf("user %s is there twice", u.Name)
		}
		seen[u.Name] = true
		if u.Role != Viewer && u.Role != Operator {
			return fmt.Errorf("user %s: the role is %q; it must be viewer or operator", u.Name, u.Role)
		}
		if cost, err := bcrypt.Cost([]byte(u.PasswordHash)); err != nil || cost < bcrypt.DefaultCost {
			return fmt.Errorf("user %s: the password hash is not one of bcrypt with cost %d or more", u.Name, bcrypt.DefaultCost)
		}
	}
	return nil
}

// MaxPassword is how many bytes of a password bcrypt takes.
const MaxPassword = 72

// HashPassword makes a [User.PasswordHash].
func HashPassword(password string) (string, error) {
	if password == "" {
		return "", errors.New("the password is empty")
	}
	h, err := bcrypt.GenerateFromPassword([]byte(password), 12)
	if errors.Is(err, bcrypt.ErrPasswordTooLong) {
		return "", fmt.Errorf("the password has more than %d bytes", MaxPassword)
	}
	return string(h), err
}

const (
	sessionCookie = "ecpayq_session"
	sessionLife   = 12 * time.Hour
	maxSessions   = 10_000
	maxWatched    = 10_000
)

// Two passwords are compared at a time, of one address one. Of an address two more
// logins wait, of all addresses sixteen; the next is refused at once. One of the two
// slots is kept for addresses without a failed login.
const (
	loginLine  = 2
	loginCrowd = 16
	// loginAgain is when to try again after that.
	loginAgain = 2 * time.Second
)

// bound is how many logins may fail within a time. The next one waits as long.
type bound struct {
	failures int
	within   time.Duration
}

// Behind a proxy or a tunnel everybody has one address: there the bound of a name
// keeps from guessing its password, and that of the address, which no success
// lifts, from trying one name after the other.
var (
	ofName    = bound{10, time.Minute}
	ofAddress = bound{100, 10 * time.Minute}
)

// sessions are who is logged in. They end with the process.
type sessions struct {
	users map[string]User
	now   func() time.Time
	// hashing is where passwords are compared: each takes a core for a quarter of a
	// second.
	hashing *room
	compare func(hash, password []byte) error
	// nobody is compared with when there is no such user, so that it takes as long.
	nobody []byte

	mu       sync.Mutex
	open     map[string]session
	failures map[watched]failure
}

// watched is whose failures are counted: those of a name from an address, whether
// or not there is such a user, or those of an address.
type watched struct{ from, name string }

// longestName bounds what is kept of a name that is no user's.
const longestName = 64

type session struct {
	user User
	ends time.Time
}

// failure counts from since on, and not beyond its bound's time.
type failure struct {
	n     int
	since time.Time
}

func newSessions(users []User, now func() time.Time) *sessions {
	s := &sessions{
		users: map[string]User{}, now: now, hashing: newRoom(1, 1, 1, loginLine, loginCrowd), compare: bcrypt.CompareHashAndPassword,
		open: map[string]session{}, failures: map[watched]failure{},
	}
	for _, u := range users {
		s.users[u.Name] = u
		s.nobody = []byte(u.PasswordHash)
	}
	return s
}

// errTooMany and errTooManyHere mean that logins with a name, or any from an
// address, have failed too often.
var (
	errTooMany     = errors.New("too many failed logins with this name from this address")
	errTooManyHere = errors.New("too many failed logins from this address")
)

// begin checks a password and returns a session's token, empty when it is wrong.
func (s *sessions) begin(ctx context.Context, from, name, password string) (token string, err error) {
	from = neighbourhood(from)
	byName, byAddress := watched{from, "name " + name[:min(len(name), longestName)]}, watched{from: from}
	if err := s.mayTry(byName, byAddress); err != nil {
		return "", err
	}
	leave, err := s.hashing.enter(ctx, from, s.hasNotFailed(byAddress))
	if err != nil {
		return "", err
	}
	defer leave()
	if err := s.mayTry(byName, byAddress); err != nil { // many came at once
		return "", err
	}
	u, known := s.users[name]
	hash := []byte(u.PasswordHash)
	if !known {
		hash = s.nobody
	}
	right := s.compare(hash, []byte(password)) == nil
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !known || !right {
		s.failed(byName, ofName, now)
		s.failed(byAddress, ofAddress, now)
		return "", nil
	}
	delete(s.failures, byName)
	for t, old := range s.open {
		if !now.Before(old.ends) || len(s.open) >= maxSessions {
			delete(s.open, t)
		}
	}
	token = rand.Text()
	s.open[token] = session{u, now.Add(sessionLife)}
	return token, nil
}

// neighbourhood is an address, of IPv6 the 64 bits that one customer has at least.
func neighbourhood(from string) string {
	addr, err := netip.ParseAddr(from)
	if err != nil || !addr.Is6() || addr.Is4In6() {
		return from
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
}

// failed counts a failure. It is called with the lock.
func (s *sessions) failed(who watched, b bound, now time.Time) {
	f, counted := s.failures[who]
	if !counted && len(s.failures) >= maxWatched {
		for old, f := range s.failures {
			if now.Sub(f.since) >= ofAddress.within {
				delete(s.failures, old)
			}
		}
		if len(s.failures) >= maxWatched {
			clear(s.failures)
		}
	}
	if f.n == 0 || now.Sub(f.since) >= b.within {
		f = failure{since: now}
	}
	if f.n++; f.n >= b.failures {
		f.since = now
	}
	s.failures[who] = f
}

// hasNotFailed reports whether no login from an address failed of late.
func (s *sessions) hasNotFailed(byAddress watched) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, counted := s.failures[byAddress]
	return !counted || s.now().Sub(f.since) >= ofAddress.within
}

// mayTry says whose failures make a login wait.
func (s *sessions) mayTry(byName, byAddress watched) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	waits := func(who watched, b bound) bool {
		f := s.failures[who]
		return f.n >= b.failures && now.Sub(f.since) < b.within
	}
	switch {
	case waits(byName, ofName):
		return errTooMany
	case waits(byAddress, ofAddress):
		return errTooManyHere
	default:
		return nil
	}
}

func (s *sessions) of(r *http.Request) (User, bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return User{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.open[c.Value]
	return got.user, ok && s.now().Before(got.ends)
}

func (s *sessions) end(r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c.Value)
	}
}

type userKey struct{}

// userOf is who asks; without users configured it is somebody without a name.
func userOf(r *http.Request) User {
	u, _ := r.Context().Value(userKey{}).(User)
	return u
}

// who is what the audit calls the user.
func who(r *http.Request) string {
	if u := userOf(r); u.Name != "" {
		return "dashboard:" + u.Name
	}
	return "dashboard"
}

func (d *Dashboard) mayChange(r *http.Request) bool {
	return !d.cfg.ReadOnly && userOf(r).Role == Operator
}

func isAPI(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, Path+"/api/")
}

func (d *Dashboard) loggedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, ok := User{Role: Operator}, true
		if len(d.cfg.Users) > 0 {
			u, ok = d.sessions.of(r)
		}
		switch {
		case ok:
			d.letIn(w, r.WithContext(context.WithValue(r.Context(), userKey{}, u)), next)
		case isAPI(r.URL.Path):
			http.Error(w, "log in first / 請先登入", http.StatusUnauthorized)
		case r.Method != http.MethodGet:
			d.showLogin(w, r, http.StatusUnauthorized, cameFrom(r).String(),
				"Your login has ended and nothing was changed: log in first, then do it again.")
		default:
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		}
	})
}

// letIn serves a request once there is room for it: what is read of Redis is kept
// until its reader has it.
func (d *Dashboard) letIn(w http.ResponseWriter, r *http.Request, next http.Handler) {
	client := userOf(r).Name
	if client == "" {
		client = remoteHost(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), roomPatience)
	leave, err := d.room.enter(ctx, client, true)
	cancel()
	if err != nil {
		retryAfter(w, roomPatience)
		http.Error(w, "too many requests at once; try again in a few seconds / 同時的要求過多，請稍候幾秒再試", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	next.ServeHTTP(w, r)
}

func (d *Dashboard) operatorsOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.mayChange(r) {
			d.problem(w, r, http.StatusForbidden, "You may look, but not change anything here.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// localPath keeps a login from leading to another site.
func localPath(next string) string {
	if u, err := url.Parse(next); err != nil || u.IsAbs() || u.Host != "" ||
		!strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, `\`) {
		return "/"
	}
	return next
}

func (d *Dashboard) loginPage(w http.ResponseWriter, r *http.Request) {
	if len(d.cfg.Users) == 0 {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	d.showLogin(w, r, http.StatusOK, r.FormValue("next"), "")
}

type loginData struct{ Next, Problem string }

func (d *Dashboard) showLogin(w http.ResponseWriter, r *http.Request, status int, next, problem string) {
	d.show(w, r, status, "login", "Log in", loginData{localPath(next), problem})
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// retryAfter says when to try again, in whole seconds.
func retryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(d.Seconds())))
}

func (d *Dashboard) login(w http.ResponseWriter, r *http.Request) {
	from := remoteHost(r)
	name, next := r.PostFormValue("user"), r.PostFormValue("next")
	token, err := d.sessions.begin(r.Context(), from, name, r.PostFormValue("password"))
	log := d.cfg.Logger.Info().Str("from", from)
	if _, known := d.sessions.users[name]; known {
		log = log.Str("user", name) // another word may be a password in the wrong field
	}
	refuse := func(again time.Duration, problem string) {
		log.Msg("login refused: " + err.Error())
		retryAfter(w, again)
		d.showLogin(w, r, http.StatusTooManyRequests, next, problem)
	}
	switch {
	case errors.Is(err, errTooMany):
		refuse(ofName.within, "Too many failed logins. Wait a minute.")
		return
	case errors.Is(err, errTooManyHere):
		refuse(ofAddress.within, "Too many failed logins from your address. Wait ten minutes.")
		return
	case errors.Is(err, errFull):
		refuse(loginAgain, "Too many logins at once. Try again in a few seconds.")
		return
	case err != nil: // the browser has gone
		return
	case token == "":
		log.Msg("login failed")
		d.showLogin(w, r, http.StatusUnauthorized, next, "Wrong user or password.")
		return
	}
	log.Msg("login")
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: token, Path: "/", MaxAge: int(sessionLife.Seconds()),
		HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, localPath(next), http.StatusSeeOther)
}

func (d *Dashboard) logout(w http.ResponseWriter, r *http.Request) {
	d.sessions.end(r)
	http.SetCookie(w,
		&http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
