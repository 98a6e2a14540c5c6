package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrAddress is wrapped by the error about an address that nothing is sent to.
var ErrAddress = errors.New("nothing is sent to this address")

// Networks that are no part of the internet, and those in which an address of version 4 stands
// for another one.
var (
	never = networks(
		"0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4", // this network, protocols, documents, 6to4, tests, many at once, reserved
		"169.254.0.0/16", "fe80::/10", "fec0::/10", // link-local, where clouds tell a machine its credentials
		"::/128", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "ff00::/8",
		"64:ff9b::/96", "64:ff9b:1::/48", // version 4 behind a translator
		"fd00:ec2::/32", // a cloud's metadata
	)
	private = networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "::1/128", "fc00::/7")
)

func networks(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, n := range list {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// CheckAddress reports why nothing is sent to an address, nil where something may be.
func CheckAddress(a netip.Addr, allowPrivate bool) error {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid() || within(never, a):
		return fmt.Errorf("%w: %s is reserved, link-local or for documents", ErrAddress, a)
	case within(private, a) && !allowPrivate:
		return fmt.Errorf("%w: %s is of a private network or this machine; allow_private: true allows it", ErrAddress, a)
	case a.Is6() && !within(private, a) && !netip.MustParsePrefix("2000::/3").Contains(a):
		return fmt.Errorf("%w: %s is no address of the internet", ErrAddress, a)
	}
	return nil
}

// guard refuses a connection before it is made: the address is that to which the name was resolved
// for it, so that no other answer of a name server can come between.
func guard(allowPrivate bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: it cannot be read", ErrAddress)
		}
		return CheckAddress(a.Addr(), allowPrivate)
	}
}
