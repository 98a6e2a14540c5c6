package api

import (
	"net/http"

	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/web"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// local is who calls where nobody needs a token. No token has this name.
const local = ""

// guard refuses what a browser sends on behalf of another site and, where nobody needs a token,
// what comes under a name that is not this machine's (DNS rebinding).
func (a *API) guard(r *http.Request) *Problem {
	if web.CrossSite(r) {
		return newProblem(forbidden, record.Text{En: "other sites' pages may not call this", Zh: "其他網站的頁面不得呼叫此處"})
	}
	if a.tokens.Load().Len() == 0 && !web.LoopbackName(r.Host) {
		return newProblem(forbidden, record.Text{
			En: "no tokens are configured, so only loopback names like 127.0.0.1 are answered; make one with ecpayq api token",
			Zh: "未設定權杖，只接受本機名稱，例如 127.0.0.1；請以 ecpayq api token 產生權杖",
		})
	}
	return nil
}

// admit says who calls, if they have the right.
func (a *API) admit(r *http.Request, right auth.Right) (auth.Token, *Problem) {
	tokens := a.tokens.Load()
	if tokens.Len() == 0 {
		return auth.Everything(local), nil
	}
	var who auth.Token
	ok := false
	if all := r.Header.Values("Authorization"); len(all) == 1 { // of two, a proxy may have looked at the other
		who, ok = tokens.Bearer(all[0])
	}
	switch {
	case !ok:
		return who, newProblem(unauthorized, record.Text{
			En: "send a token that is configured, as Authorization: Bearer TOKEN", Zh: "請以 Authorization: Bearer 權杖 送出已設定的權杖",
		})
	case right != "" && !who.Can(right):
		return who, newProblem(forbidden, record.Text{
			En: "this token may not " + string(right) + "; the configuration says under may what it may",
			Zh: "此權杖沒有 " + string(right) + " 的權限；權限列於設定檔的 may",
		})
	}
	return who, nil
}

// owns refuses what is about a merchant that the token is not for.
func owns(who auth.Token, merchantID string) *Problem {
	if who.Owns(merchantID) {
		return nil
	}
	return newProblem(forbidden, record.Text{
		En: "this token is not for that merchant; the configuration says under merchants for which it is",
		Zh: "此權杖不適用於該特店；適用的特店列於設定檔的 merchants",
	})
}

// by is who acts, for the audit.
func by(who auth.Token) string {
	if who.Name == local {
		return "api"
	}
	return "api:" + who.Name
}
