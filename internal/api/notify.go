package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Limits of what ECPay sends to a NotifyURL: a form of eight short fields.
const (
	maxNotify  = 16 << 10
	maxNotices = 16 // at once
	noticeTime = 5 * time.Second
)

// notify takes ECPay's word that a delayed invoice is issued, and answers as ECPay wants it: 1|OK, with no
// end of line. Nothing proves that ECPay sent it: the form has no checksum, and comes without a token. So
// nothing of it is stored or believed. It only has a worker ask ECPay for the invoice now, where a question
// for it waits, and no more often than once in a minute.
//
// Whatever cannot be of use gets the same answer, so that ECPay does not send it again.
func (a *API) notify(w http.ResponseWriter, r *http.Request) {
	body, p := a.readAll(w, r, maxNotify)
	if p != nil {
		a.refuse(w, r, p)
		return
	}
	select { // behind the body, so that who sends slowly keeps nobody out
	case a.notices <- struct{}{}:
		defer func() { <-a.notices }()
	default:
		a.refuse(w, r, crowded())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), noticeTime)
	defer cancel()
	for _, id := range questionsOf(r.PathValue("merchant_id"), string(body)) {
		if err := a.cfg.Ledger.Hasten(ctx, id); err != nil && !errors.Is(err, record.ErrNotFound) {
			a.refuse(w, r, away(err))
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("1|OK"))
}

// questionsOf are the ids of the questions that a form may be about: by od_sob, which is the RelateNumber,
// and by tsr where a shop has one number for both.
func questionsOf(merchantID, form string) (ids []string) {
	fields, err := url.ParseQuery(strings.TrimSpace(form))
	if of := fields.Get("inv_mer_id"); err != nil || of != "" && of != merchantID {
		return nil
	}
	for _, name := range []string{"od_sob", "tsr"} {
		if id, ok := tasks.FollowIDOf(merchantID, fields.Get(name)); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
