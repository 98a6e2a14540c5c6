package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	pollEvery = 10 * time.Millisecond // between two looks at a server that starts
	portTries = 10                    // free ports tried when others take them first
	logShown  = 8 << 10               // bytes at the end of a log
)

// ErrPortTaken says that a child ended because its port was not free.
var ErrPortTaken = errors.New("port is taken")

// AwaitReady asks again and again until ready has no objection, for limit and as long as ctx
// lasts. Where the objection is one of loads, the server reads its data: that takes as long as it
// does. The error has what the child printed, and wraps [ErrPortTaken] where that was why it
// ended. A child that did not end still runs then.
func (p *Process) AwaitReady(
	ctx context.Context, limit time.Duration, ready func(context.Context) error, loads func(error) bool,
) error {
	over := time.NewTimer(limit)
	defer over.Stop()
	gaveUp := func(why, last error) error {
		return fmt.Errorf("did not answer: %w: last seen: %w\n%s", why, last, LastOf(p.log))
	}
	for {
		last := ready(ctx)
		if last == nil && !p.Exited() {
			return nil
		}
		if loads(last) {
			over.Stop()
		}
		wait := time.NewTimer(pollEvery)
		select {
		case <-wait.C:
		case <-p.Done:
			wait.Stop()
			text := p.printed()
			if low := strings.ToLower(text); strings.Contains(low, "address already in use") || strings.Contains(low, "failed listening on port") {
				return fmt.Errorf("ended while it started: %w", ErrPortTaken)
			}
			return fmt.Errorf("ended while it started (%v):\n%s", p.Err, text)
		case <-over.C:
			wait.Stop()
			return gaveUp(context.DeadlineExceeded, last)
		case <-ctx.Done():
			wait.Stop()
			return gaveUp(ctx.Err(), last)
		}
	}
}

// OnFreePort starts a server on a port, the one that is fixed or, with 0, a free one: then on
// another if somebody took it between our look and the child's bind. The ports that are above by
// so much are free as well.
func OnFreePort(fixed int, start func(port int) error, above ...int) error {
	if fixed != 0 {
		return start(fixed)
	}
	for try := 1; ; try++ {
		port, err := freePort(above)
		if err != nil {
			return err
		}
		if err := start(port); !errors.Is(err, ErrPortTaken) || try == portTries {
			return err
		}
	}
}

// OnPort starts a server again on the port that it had. Somebody may hold the port, perhaps only
// as the near end of a connection of its own: then it may be free again in a moment.
func OnPort(ctx context.Context, limit time.Duration, start func() error) error {
	for until := time.Now().Add(limit); ; {
		err := start()
		if !errors.Is(err, ErrPortTaken) || time.Now().After(until) || Sleep(ctx, pollEvery) != nil {
			return err
		}
	}
}

// freePort finds a port below the range that Linux uses for outgoing
// connections, so that neither a client nor a redialling one can sit on it
// while the server is down.
func freePort(above []int) (int, error) {
	const first, count = 12000, 10000
	var last error
next:
	for range 100 {
		port := first + rand.IntN(count)
		for _, by := range append([]int{0}, above...) {
			if last = listenable(port + by); last != nil {
				continue next
			}
		}
		return port, nil
	}
	return 0, fmt.Errorf("no free port from %d to %d: %w", first, first+count-1, last)
}

func listenable(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// Listens reports why nothing accepts connections at addr.
func Listens(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Sleep waits for d or for the end of ctx, whose error it then returns.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// LastOf returns the last 8 KiB of a log, or why it cannot be read.
func LastOf(log string) string { return readFrom(log, -logShown) }

func (p *Process) printed() string { return readFrom(p.log, p.began) }

// readFrom returns the text of a file from offset on; a negative offset
// counts from the end.
func readFrom(path string, offset int64) string {
	text, err := func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if offset < 0 {
			st, err := f.Stat()
			if err != nil {
				return nil, err
			}
			offset = max(0, st.Size()+offset)
		}
		return io.ReadAll(io.NewSectionReader(f, offset, 1<<20))
	}()
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return string(text)
}
