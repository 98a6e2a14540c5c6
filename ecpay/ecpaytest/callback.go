package ecpaytest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// OpCallback is the Operation of a Match that is about callbacks. Of a Fault for one, Drop keeps it from ever coming, Latency
// makes it late, and Twice has it come again.
const OpCallback = "Callback"

// Callback is what ECPay sends to the NotifyURL of a DelayIssue when the invoice is issued, or when it cannot be. The form
// has no checksum (documented).
type Callback struct {
	URL  string
	Form url.Values
}

// callback sends what is due to the NotifyURL of d, if it has one; i is nil where the invoice cannot be issued. The caller
// holds mu.
func (s *Server) callback(d *delayed, i *issued, at time.Time) {
	if d.NotifyURL == "" || s.cfg.Callback == nil {
		return
	}
	f := s.callbackFault(d, at)
	if f.Drop {
		return
	}
	c := Callback{d.NotifyURL, url.Values{
		"inv_mer_id": {d.account.MerchantID}, "od_sob": {d.RelateNumber}, "tsr": {d.Tsr},
		"invoicenumber": {""}, "invoicedate": {""}, "invoicetime": {""}, "invoicecode": {""}, "inv_error": {""},
	}}
	if i == nil {
		c.Form.Set("inv_error", messages[CodeNoNumbers])
	} else {
		c.Form.Set("invoicenumber", i.number)
		c.Form.Set("invoicedate", i.created.Format(time.DateOnly))
		c.Form.Set("invoicetime", i.created.Format(time.TimeOnly))
		c.Form.Set("invoicecode", i.random)
	}
	send := func() {
		select {
		case <-s.closed:
		default:
			s.cfg.Callback(c)
		}
	}
	time.AfterFunc(f.Latency, send)
	if f.Twice {
		time.AfterFunc(f.Latency, send)
	}
}

// callbackFault is what strikes a callback. The caller holds mu.
func (s *Server) callbackFault(d *delayed, at time.Time) Fault {
	about := &Call{Operation: OpCallback, MerchantID: d.account.MerchantID, Subject: d.Tsr}
	for _, sc := range s.scripts {
		if sc.match.Operation != OpCallback || !sc.match.matches(about) {
			continue
		}
		if f, ok := sc.take(at); ok {
			return f
		}
	}
	return Fault{}
}

// PostCallback sends a callback to an address of this machine; any other is refused, so that a fake reaches nobody. It
// returns an error unless the answer is the one that ECPay wants: 1|OK.
func PostCallback(ctx context.Context, c Callback) error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("callback: the NotifyURL is no URL: %w", err)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("callback: %q is not on this machine, where alone the fake sends any", u.Host)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, strings.NewReader(c.Form.Encode()))
	if err != nil {
		return fmt.Errorf("callback: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(r) // which follows no redirect
	if err != nil {
		return fmt.Errorf("callback: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err != nil || resp.StatusCode != http.StatusOK || string(body) != "1|OK" {
		return fmt.Errorf("callback: got status %d and %q, want 1|OK", resp.StatusCode, body)
	}
	return nil
}
