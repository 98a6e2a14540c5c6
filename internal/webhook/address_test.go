package webhook_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

// What may be sent to an address.
const (
	always  = "always"
	allowed = "with allow_private"
	never   = "never"
)

var addresses = []struct{ name, address, want string }{
	{"public", "8.8.8.8", always},
	{"public, after the private ones", "172.32.0.1", always},
	{"public, before the private ones", "172.15.255.255", always},
	{"public, after CGNAT", "100.128.0.1", always},
	{"public, before CGNAT", "100.63.255.255", always},
	{"public, beside 192.168", "192.167.255.255", always},
	{"public, the last one", "223.255.255.255", always},
	{"public of version 6", "2606:4700:4700::1111", always},
	{"public of version 6 in Taiwan", "2001:b000:168::1", always},
	{"public in version 6", "::ffff:8.8.8.8", always},

	{"loopback", "127.0.0.1", allowed},
	{"loopback, another one", "127.255.255.254", allowed},
	{"loopback of version 6", "::1", allowed},
	{"loopback in version 6", "::ffff:127.0.0.1", allowed},
	{"10/8", "10.0.0.1", allowed},
	{"10/8, the last", "10.255.255.255", allowed},
	{"172.16/12", "172.16.0.1", allowed},
	{"172.16/12, the last", "172.31.255.255", allowed},
	{"192.168/16", "192.168.1.1", allowed},
	{"192.168/16 in version 6", "::ffff:192.168.1.1", allowed},
	{"CGNAT", "100.64.0.1", allowed},
	{"CGNAT, the last", "100.127.255.255", allowed},
	{"ULA", "fd12:3456:789a::1", allowed},
	{"ULA, the first half", "fc00::1", allowed},

	{"unspecified", "0.0.0.0", never},
	{"this network", "0.1.2.3", never},
	{"unspecified of version 6", "::", never},
	{"unspecified in version 6", "::ffff:0.0.0.0", never},
	{"link-local", "169.254.0.1", never},
	{"metadata", "169.254.169.254", never},
	{"metadata in version 6", "::ffff:169.254.169.254", never},
	{"metadata of version 6", "fd00:ec2::254", never},
	{"link-local of version 6", "fe80::1", never},
	{"link-local of version 6 with a zone", "fe80::1%eth0", never},
	{"site-local", "fec0::1", never},
	{"multicast", "224.0.0.1", never},
	{"multicast, the last", "239.255.255.255", never},
	{"multicast of version 6", "ff02::1", never},
	{"reserved", "240.0.0.1", never},
	{"broadcast", "255.255.255.255", never},
	{"protocols", "192.0.0.192", never},
	{"tests", "198.18.0.1", never},
	{"documents 1", "192.0.2.1", never},
	{"documents 2", "198.51.100.1", never},
	{"documents 3", "203.0.113.1", never},
	{"documents of version 6", "2001:db8::1", never},
	{"documents of version 6, the new ones", "3fff::1", never},
	{"NAT64", "64:ff9b::7f00:1", never},
	{"NAT64 of a network", "64:ff9b:1::1", never},
	{"6to4", "2002:7f00:1::1", never},
	{"6to4 of version 4", "192.88.99.1", never},
	{"Teredo", "2001::1", never},
	{"discard", "100::1", never},
	{"compatible with version 4", "::127.0.0.1", never},
	{"translated", "::ffff:0:7f00:1", never},
	{"no part of the internet yet", "4000::1", never},
}

func TestWhatMayBeSentToAnAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range addresses {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := netip.MustParseAddr(tt.address)
			public, private := webhook.CheckAddress(a, false), webhook.CheckAddress(a, true)
			if got := public == nil; got != (tt.want == always) {
				t.Errorf("%s: got %v", a, public)
			}
			if got := private == nil; got != (tt.want != never) {
				t.Errorf("%s with allow_private: got %v", a, private)
			}
			for _, err := range []error{public, private} {
				if err != nil && !errors.Is(err, webhook.ErrAddress) {
					t.Errorf("%v is not ErrAddress", err)
				}
			}
		})
	}
	if err := webhook.CheckAddress(netip.Addr{}, true); err == nil {
		t.Error("no address at all is allowed")
	}
}

func TestAnAddressThatANameIsResolvedToIsChecked(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	came := make(chan struct{}, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			came <- struct{}{}
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	e := endpointAt(t, "https://localhost:"+port+"/hook", false)
	s := webhook.NewSender(e, "test")
	if a := s.Send(t.Context(), e, "test_1", nil); a.Result != webhook.Forbidden || !strings.Contains(a.Text, "allow_private") {
		t.Errorf("got %+v", a)
	}
	// The address is not allowed by name either, where it was no name.
	if _, err := webhook.ParseURL("https://127.0.0.1:"+port, false); !errors.Is(err, webhook.ErrAddress) {
		t.Errorf("got %v", err)
	}
	select {
	case <-came:
		t.Error("a connection was made")
	default:
	}
	e.AllowPrivate = true
	if a := webhook.NewSender(e, "test").Send(t.Context(), e, "test_1", nil); a.Result != webhook.Unreachable {
		t.Errorf("with allow_private it is %+v", a)
	}
	<-came // or the listener would have had nothing in any case
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, url string
		private   bool
		want      string // in the error, empty for none
	}{
		{"https", "https://shop.example/hook?word=1", false, ""},
		{"https and a port", "https://shop.example:8443", false, ""},
		{"https in capitals", "HTTPS://shop.example/", false, ""},
		{"https of a public address", "https://8.8.8.8/", false, ""},
		{"https of a public address of version 6", "https://[2606:4700::1111]:8443/", false, ""},
		{"https of a private one", "https://10.0.0.1/", true, ""},
		{"http of this machine", "http://localhost:80/", true, ""},
		{"http of this machine by address", "http://127.0.0.1/", true, ""},
		{"http of this machine by address of version 6", "http://[::1]:8080/", true, ""},
		{"the longest", "https://shop.example/" + strings.Repeat("a", 2048-21), false, ""},

		{"empty", "", false, "https://"},
		{"too long", "https://shop.example/" + strings.Repeat("a", 2048-20), false, "at most 2048"},
		{"no host", "https:///hook", false, "https://"},
		{"a port alone", "https://:443/hook", false, "https://"},
		{"no scheme", "shop.example/hook", false, "https://"},
		{"opaque", "https:shop.example", false, "https://"},
		{"another scheme", "ftp://shop.example/", true, "https://"},
		{"a control character", "https://shop.example/\x7f", false, "url is none"},
		{"a line break", "https://shop.example/\r\nX: 1", false, "url is none"},
		{"a broken escape", "https://shop.example/%zz", false, "url is none"},
		{"a user", "https://user@shop.example/", false, "no user"},
		{"a password", "https://user:word@shop.example/", false, "no user"},
		{"a fragment", "https://shop.example/#part", false, "after #"},
		{"http", "http://shop.example/", false, "https://"},
		{"http with allow_private", "http://shop.example/", true, "localhost"},
		{"http of a private network", "http://10.0.0.1/", true, "localhost"},
		{"http of this machine without allow_private", "http://localhost/", false, "allow_private"},
		{"http of a name that begins like this machine's", "http://localhost.shop.example/", true, "localhost"},
		{"https of a private one without allow_private", "https://10.0.0.1/", false, "allow_private"},
		{"https of metadata", "https://169.254.169.254/", true, "link-local"},
		{"https of unspecified", "https://0.0.0.0/", true, "reserved"},
		{"https of metadata in version 6", "https://[::ffff:169.254.169.254]/", true, "link-local"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := webhook.ParseURL(tt.url, tt.private)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, %v, want an error with %q", u, err, tt.want)
			}
		})
	}
}

func TestWhatIsWrongWithAURLDoesNotRepeatIt(t *testing.T) {
	t.Parallel()
	const word = "dGVzdC13b3Jk"
	for _, text := range []string{
		"https://shop.example/" + word + "%zz", "https://shop.example/\x7f?" + word, word + "://shop.example",
		"https://" + word + "@shop.example/", "https://shop.example/" + word + "#a", "http://shop.example/?" + word,
		"https://[" + word, "https://shop.example:" + word,
	} {
		if _, err := webhook.ParseURL(text, true); err == nil || strings.Contains(err.Error(), word) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, text := range []string{
		"https://shop.example/hook?a=b", "http://localhost:8080", "http://[::1]/", "https://[fe80::1%25a]/", "", "https://a@b#c", "http://127.1/",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, private bool) {
		u, err := webhook.ParseURL(text, private)
		if err != nil {
			return
		}
		if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(text) > 2048 {
			t.Fatalf("%q: got %#v", text, u)
		}
		a, failed := netip.ParseAddr(u.Hostname())
		if u.Scheme == "http" && (!private || !strings.EqualFold(u.Hostname(), "localhost") && (failed != nil || !a.Unmap().IsLoopback())) {
			t.Fatalf("%q is http, and no address of this machine", text)
		}
		if failed == nil && webhook.CheckAddress(a, private) != nil {
			t.Fatalf("%q has an address that nothing is sent to", text)
		}
		e := webhook.Endpoint{URL: u}
		if host := e.Host(); !strings.HasPrefix(host, u.Scheme+"://") || strings.ContainsAny(strings.TrimPrefix(host, u.Scheme+"://"), "/?#") {
			t.Fatalf("%q is told to everybody as %q", text, host)
		}
	})
}
