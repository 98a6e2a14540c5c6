package web

import (
	"net"
	"net/netip"
	"strings"
)

// LoopbackName reports whether a host, with or without a port, is a name of this machine that
// no DNS server can give to another: "localhost", or a loopback address.
func LoopbackName(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}
