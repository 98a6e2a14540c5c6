package dashboard

import (
	"net/http"

	"github.com/ecpayq/ecpayq/internal/web"
)

// pagePolicy is for our own pages: no script at all, nothing from elsewhere.
const pagePolicy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxForm bounds what a browser may send. asynqmon's lists have 100 ids at most.
const maxForm = 256 << 10

// guard refuses what a browser sends on behalf of another site: changes, and reads,
// which cost Redis as much as our own, but for a page that a link there opens. Where
// nobody has to log in it also refuses requests under a name that is not this
// machine's (DNS rebinding; with a login, the cookie belongs to our name).
func (d *Dashboard) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not no-referrer: browsers would send our own forms with the Origin "null".
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Cache-Control", "no-store")
		if len(d.cfg.Users) == 0 && !web.LoopbackName(r.Host) {
			http.Error(
				w,
				"this dashboard has no users configured and answers to loopback names only, like 127.0.0.1 / 此儀表板未設定使用者，只接受本機名稱，例如 127.0.0.1",
				http.StatusForbidden,
			)
			return
		}
		if web.CrossSite(r) && (isAPI(r.URL.Path) || !web.FollowedLink(r)) {
			web.Refuse(w)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// secure reports whether the browser speaks TLS, with us or with a proxy. Who
// forges the header only keeps his own cookie from being sent back.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
