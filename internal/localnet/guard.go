package localnet

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"pipedai/api"
)

// Guard stands before everything a local server serves: pages, health, API,
// preflights and upgrades. A web page the user happens to visit can make the
// browser send requests here, and DNS rebinding lets it look as if they came
// from the server's own page; so the Host must be one of the exact names this
// server goes by, and whatever a browser says about the request's origin must
// name one of them too. Programs that send no browser headers pass; whether
// they may do anything is for the credentials behind the guard.
type Guard struct {
	// Hosts are the exact values of the Host header, with port, in lower case.
	Hosts []string
	// Origins are the exact values of the Origin header. Empty means
	// http://<host> of every Hosts entry.
	Origins []string
}

// LoopbackHosts are the names by which a server on a loopback port goes.
func LoopbackHosts(port int) []string {
	p := strconv.Itoa(port)
	return []string{
		net.JoinHostPort("127.0.0.1", p),
		net.JoinHostPort("localhost", p),
		net.JoinHostPort("::1", p),
	}
}

// Wrap puts the guard before next. deny writes the refusal in the face's own
// words; the handler behind is not reached then.
func (g Guard) Wrap(next http.Handler, deny func(http.ResponseWriter, *http.Request, *api.Error)) http.Handler {
	origins := g.Origins
	if len(origins) == 0 {
		for _, host := range g.Hosts {
			origins = append(origins, "http://"+host)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := g.refuse(r, origins); refusal != nil {
			deny(w, r, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g Guard) refuse(r *http.Request, origins []string) *api.Error {
	// net/http has refused duplicate Host headers, and takes the host of an
	// absolute request line for the Host; both end here as r.Host.
	if !slices.Contains(g.Hosts, strings.ToLower(r.Host)) {
		return &api.Error{
			Status: http.StatusForbidden, Code: api.CodeForeignHost,
			Message: "this server does not answer to the name in the Host header",
			Fix:     "open it as http://" + g.Hosts[0],
		}
	}
	if values := r.Header.Values("Origin"); len(values) > 0 {
		if len(values) != 1 || !slices.Contains(origins, strings.ToLower(values[0])) {
			return foreignOrigin()
		}
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none":
		return nil
	default:
		// A link or a bookmark on another site may open a page here, but may not
		// embed it or call the API.
		top := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		if top && r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/api/") {
			return nil
		}
		return foreignOrigin()
	}
}

func foreignOrigin() *api.Error {
	return &api.Error{
		Status: http.StatusForbidden, Code: api.CodeForeignOrigin,
		Message: "requests from pages of other sites are refused",
	}
}
