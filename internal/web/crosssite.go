package web

import (
	"net/http"
	"net/url"
)

// CrossSite reports whether a browser sends a request on behalf of another site, or of
// another port of this machine. Browsers say so by Sec-Fetch-Site to loopback addresses
// and over TLS; elsewhere Origin tells, which a plain read of an old browser has not.
// Programs that are no browser send neither.
func CrossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// FollowedLink reports whether a browser opens a page of its own for a request, as for
// a link on another site, rather than put it into one of that site's.
func FollowedLink(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// SameSiteOnly refuses what a browser reads or changes on behalf of another site.
func SameSiteOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if CrossSite(r) {
			Refuse(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Refuse says that a request of another site is refused.
func Refuse(w http.ResponseWriter) {
	http.Error(w, "other sites' pages may not ask this; open it in a tab of its own / 其他網站的頁面不得存取此處，請自行開啟分頁", http.StatusForbidden)
}
