package controlplane

import (
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/pipeline"
)

// A worker on another machine announces localhost; where it is reached says
// the connection it came by, if the operator wants that.
func TestRegister_baseURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, announced, want string
		urls                  BaseURLs
	}{
		{"believed", "http://localhost:8080/", "http://localhost:8080", BaseURLs{}},
		{"name", "http://localhost:8080", "http://192.0.2.1:8080", BaseURLs{Loopback: true}},
		{"address", "http://127.9.9.9:8080/base/", "http://192.0.2.1:8080/base", BaseURLs{Loopback: true}},
		{"version 6", "https://[::1]:8443", "https://192.0.2.1:8443", BaseURLs{Loopback: true}},
		{"mapped", "http://[::ffff:127.0.0.1]:1", "http://192.0.2.1:1", BaseURLs{Loopback: true}},
		{"any address", "http://0.0.0.0:8080", "http://192.0.2.1:8080", BaseURLs{Loopback: true}},
		{"no port", "http://LOCALHOST.", "http://192.0.2.1", BaseURLs{Loopback: true}},
		{"a real name stays", "http://worker.test:8080", "http://worker.test:8080", BaseURLs{Loopback: true}},
		{"a name that only begins so", "http://localhost.evil.test:1", "http://localhost.evil.test:1", BaseURLs{Loopback: true}},
		{"fixed", "http://localhost:8080", "http://10.0.0.7:9000/w", BaseURLs{Loopback: true, Services: map[pipeline.ServiceID]string{"svc": "http://10.0.0.7:9000/w/"}}},
		{"fixed for another", "http://localhost:8080", "http://localhost:8080", BaseURLs{Services: map[pipeline.ServiceID]string{"other": "http://x"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(o *Options) { o.BaseURLs = test.urls }) // requests come from 192.0.2.1
			b.post("/api/register", strings.Replace(`{"serviceId":"svc","version":"1","baseUrl":"URL","tasks":[]}`, "URL", test.announced, 1), nil)
			var got api.ServiceDetail
			b.as(b.admin, "GET", "/api/services/svc", "", 200, &got)
			if got.Service.BaseURL != test.want {
				t.Errorf("got %s, want %s", got.Service.BaseURL, test.want)
			}
		})
	}
}
