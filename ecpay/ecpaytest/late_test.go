package ecpaytest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// post sends a trigger straight into the handler, without a network.
func post(s *Server, tsr string, at time.Time) *httptest.ResponseRecorder {
	body := mustJSON(m{
		"MerchantID": StageMerchantID,
		"RqHeader":   m{"Timestamp": at.Unix()},
		"Data":       newKeys(StageHashKey, StageHashIV).seal(mustJSON(m{"MerchantID": StageMerchantID, "Tsr": tsr, "PayType": "2"})),
	})
	req := httptest.NewRequest(http.MethodPost, "/B2CInvoice/TriggerIssue", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w
}

func TestLateEffectLandsByItselfInRealTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		defer s.Close()
		if err := s.StageDelayed(Delayed{Tsr: "T1"}); err != nil {
			t.Fatal(err)
		}
		s.Inject(Match{}, Fault{HTTPStatus: 502, EffectAfter: 3 * time.Second})
		post(s, "T1", time.Now())
		landed := func() bool { // without settling, as Effects would
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.minted == 1
		}
		<-time.After(3*time.Second - time.Nanosecond)
		synctest.Wait()
		if landed() {
			t.Error("landed too early")
		}
		<-time.After(time.Nanosecond)
		synctest.Wait()
		if !landed() {
			t.Error("did not land")
		}
	})
}

func TestLatencyIsWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		s.Inject(Match{}, Fault{Latency: 7 * time.Second})
		began := time.Now()
		if w := post(s, "T1", began); w.Code != 200 {
			t.Errorf("got HTTP %d, want 200", w.Code)
		}
		if got := time.Since(began); got != 7*time.Second {
			t.Errorf("waited %s, want 7s", got)
		}
	})
}

func TestDropWithoutAConnectionAborts(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Inject(Match{}, Fault{Drop: true})
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("got %v, want http.ErrAbortHandler", got)
		}
	}()
	post(s, "T1", time.Now())
}

func TestCloseMayBeRepeatedAndComeFirst(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	s.Close()
	s.Close()
	s.Inject(Match{}, Fault{HTTPStatus: 502, EffectAfter: time.Nanosecond})
	post(s, "T1", time.Now())
	if got := post(s, "T1", time.Now()).Code; got != 200 {
		t.Errorf("got HTTP %d, want 200", got)
	}
}
