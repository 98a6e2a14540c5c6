package dashboard_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestOneTaskThatCannotBeDoneHidesNotWhatBecameOfTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	rdb := w.redis.Client()
	post := func(path string, ids ...string) *httptest.ResponseRecorder {
		return w.do(request{method: "POST", path: path, form: url.Values{"id": ids, "note": {"ticket 1"}, "back": {"/waiting"}}})
	}
	state := func(id string) string {
		got, err := record.NewReader(rdb).Get(t.Context(), id)
		w.must(err)
		return got.State
	}
	check := func(what string, a *httptest.ResponseRecorder, status int, want []string, no ...string) {
		t.Helper()
		if a.Code != status {
			t.Errorf("%s: got status %d, want %d", what, a.Code, status)
		}
		wantText(t, what, a, append(want, `<a href="/waiting">Back</a>`), no...)
	}

	one, lost, three := w.died("VG00000001", rejected), w.died("VG00000002", rejected), w.died("VG00000003", rejected)
	w.must(rdb.HDel(t.Context(), record.TaskKey(lost), record.FieldPayload).Err())
	w.must(rdb.Del(t.Context(), asynqx.TaskKey("invalid", lost)).Err())
	check("replay", post("/dead/replay", one, lost, three), http.StatusUnprocessableEntity,
		[]string{"Not all of it could be done", "replayed: 2", lost + "</a>: Neither the ledger nor asynq has what it was"}, one, three)
	if got := [2]string{state(one), state(three)}; got != [2]string{"pending", "pending"} {
		t.Errorf("after the replay: got %v, want both pending", got)
	}

	four, odd, six := w.died("VG00000004", rejected), w.died("VG00000005", rejected), w.died("VG00000006", rejected)
	w.must(rdb.Set(t.Context(), asynqx.TaskKey("invalid", odd), "no hash", 0).Err())
	check("resolve", post("/dead/resolve", four, odd, six), http.StatusInternalServerError,
		[]string{"Not all of it could be done", "resolved: 2", odd + "</a>: This went wrong; the log"}, four, six)
	if got := [2]string{state(four), state(six)}; got != [2]string{"completed", "completed"} {
		t.Errorf("after resolving: got %v, want both completed", got)
	}

	client, err := enqueue.New(enqueue.Config{Redis: rdb})
	w.must(err)
	var later []string
	for _, number := range []string{"VG00000007", "VG00000008", "VG00000009"} {
		r, err := client.Enqueue(t.Context(), void(number), enqueue.ProcessIn(24*time.Hour))
		w.must(err)
		later = append(later, r.ID)
	}
	w.must(rdb.HSet(t.Context(), record.TaskKey(later[1]), record.FieldInFlight, "1").Err())
	check("cancel", post("/waiting/cancel", later...), http.StatusUnprocessableEntity,
		[]string{"cancelled: 2", later[1] + "</a>: This task was begun before"}, later[0], later[2])
	wantText(t, "cancel, in Chinese", w.do(request{
		method: "POST", path: "/waiting/cancel", form: url.Values{"id": {later[1]}, "note": {"n"}},
		headers: map[string]string{"Accept-Language": "zh-TW"},
	}), []string{"無法完成", later[1] + "</a>: 此任務曾經開始執行"}, "begun")
}

func TestTheOtherLanguageOfAnAnswerToAFormIsAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	olga := w.login("olga", operatorPassword)
	form := url.Values{"back": {"/waiting?state=scheduled&done=busy.1"}, "next": {"/audit"}}
	for path, row := range map[string]struct {
		cookie   *http.Cookie
		status   int
		switched string
		want     []string
	}{
		"/dead/replay": {olga, http.StatusUnprocessableEntity, "/waiting?lang=zh-TW&amp;state=scheduled",
			[]string{"Choose at least one task.", `<a href="/waiting?`}},
		"/login": {nil, http.StatusUnauthorized, "/login?lang=zh-TW&amp;next=%2Faudit",
			[]string{"Wrong user or password.", `name="next" value="/audit"`}},
		"/dead/resolve": {nil, http.StatusUnauthorized, "/login?lang=zh-TW&amp;next=%2Fwaiting%3Fstate%3Dscheduled%26done%3Dbusy.1",
			[]string{"log in first", `name="next" value="/waiting?state=scheduled&amp;done=busy.1"`}},
	} {
		a := w.do(request{method: "POST", path: path, form: form, cookie: row.cookie})
		if a.Code != row.status {
			t.Errorf("POST %s: got status %d, want %d", path, a.Code, row.status)
		}
		wantText(t, path, a, append(row.want, `<a href="`+row.switched+`"`))
		got := w.do(request{method: "GET", path: strings.ReplaceAll(row.switched, "&amp;", "&"), cookie: row.cookie})
		if got.Code != http.StatusOK {
			t.Errorf("POST %s: the other language at %s has status %d, want 200", path, row.switched, got.Code)
		}
	}
	if a := w.do(request{method: "POST", path: "/asynq/api/queues/q:pause"}); a.Code != http.StatusUnauthorized ||
		strings.Contains(a.Body.String(), "<html") {
		t.Errorf("asynq's pages: got status %d and %q, want 401 in a line", a.Code, a.Body)
	}
}

func TestAnErrorIsSaidToBeWhatItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.must(w.redis.Client().Set(t.Context(), record.OwnersKey, "no list", 0).Err())
	a := w.get("/")
	if a.Code != http.StatusInternalServerError {
		t.Errorf("got status %d, want 500", a.Code)
	}
	wantText(t, "a key of the wrong type", a, []string{"This went wrong; the log of the dashboard says why."}, "Redis is not available")
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1:8980/merchants", nil)
	rec := httptest.NewRecorder()
	w.d.ServeHTTP(rec, r)
	wantText(t, "what takes too long", rec, []string{"It took too long and was ended"}, "Redis is not available")
}

// away is a Redis that goes away at the first command about a task.
type away struct{ id string }

func (h away) err(cmd redis.Cmder) error {
	if strings.Contains(fmt.Sprint(cmd.Args()...), h.id) {
		return &net.OpError{Op: "read", Err: io.ErrUnexpectedEOF}
	}
	return nil
}

func (h away) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h away) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := h.err(cmd); err != nil {
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

func (h away) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if err := h.err(cmd); err != nil {
				cmd.SetErr(err)
				return err
			}
		}
		return next(ctx, cmds)
	}
}

func TestWhatIsLeftWhenRedisGoesAwayIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *dashboard.Config) {
		cfg.Redis.(*redis.Client).AddHook(away{"VG00000002"})
	})
	one, two, three := w.died("VG00000001", rejected), w.died("VG00000002", rejected), w.died("VG00000003", rejected)
	a := w.do(request{method: "POST", path: "/dead/resolve", form: url.Values{"id": {one, two, three, one}, "note": {"n"}}})
	if a.Code != http.StatusServiceUnavailable {
		t.Errorf("got status %d, want 503", a.Code)
	}
	wantText(t, "resolve", a, []string{"Not all of it could be done", "resolved: 1",
		"Redis is not available; try again. The connection was ended:", " Not tried, or it is not known what became of them: 2"})
	a = w.do(request{method: "POST", path: "/dead/replay", form: url.Values{"id": {two}}})
	wantText(t, "replay of one", a, []string{"This could not be done", "Redis is not available"}, "Not tried")
}

func TestATroubleOfRedisIsExplainedInBothLanguages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	rdb := w.redis.Client()
	id := w.died("VG00000001", rejected)
	for _, row := range []struct {
		on, off []any
		en, zh  string
	}{
		{[]any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"},
			"Fewer replicas are connected than min-replicas-to-write asks for", "已連線的複本少於 min-replicas-to-write"},
		{[]any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"},
			"Redis has reached maxmemory", "Redis 已達 maxmemory 上限"},
		{[]any{"ACL", "SETUSER", "default", "-hset", "-eval", "-evalsha"},
			[]any{"ACL", "SETUSER", "default", "+@all"}, "The Redis user may not use EVALSHA", "此 Redis 使用者無權使用 EVALSHA"},
	} {
		w.must(rdb.Do(t.Context(), row.on...).Err())
		for language, want := range map[string]string{"en": row.en, "zh-TW": row.zh} {
			a := w.do(request{method: "POST", path: "/dead/replay",
				form: url.Values{"id": {id}}, headers: map[string]string{"Accept-Language": language}})
			if a.Code != http.StatusServiceUnavailable {
				t.Errorf("%v: got status %d, want 503", row.on, a.Code)
			}
			wantText(t, fmt.Sprint(row.on...), a, []string{want})
		}
		w.must(rdb.Do(t.Context(), row.off...).Err())
	}
}
