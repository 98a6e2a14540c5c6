package api

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// upload is the body of a batch. Whoever reads it may leave it before its end. The rest is read on
// for a while then and dropped: many clients read no answer before they have sent all, and a
// connection that is closed while something comes takes the answer with it.
type upload struct {
	*io.PipeReader
	control *http.ResponseController
	left    atomic.Bool
	done    chan struct{} // closed when nothing is read any more
}

// receive begins to read a body. The handler must not return before [upload.ended] has.
func receive(r *http.Request, control *http.ResponseController) *upload {
	_ = control.EnableFullDuplex() // else nothing is read once there is an answer
	in, out := io.Pipe()
	u := &upload{PipeReader: in, control: control, done: make(chan struct{})}
	end := time.Now().Add(longest)
	go func() {
		defer close(u.done)
		_, err := io.Copy(out, patient{r.Body, u, end})
		if errors.Is(err, io.ErrClosedPipe) { // nobody wants the rest
			_, err = io.Copy(io.Discard, r.Body)
		}
		_ = out.CloseWithError(err)
	}()
	return u
}

// leave ends the reading, and returns once the client has sent all, or after a while.
func (u *upload) leave() {
	_ = u.Close()
	u.left.Store(true)
	u.drain()
	select {
	case <-u.done:
	case <-time.After(leftover):
	}
}

func (u *upload) drain() { _ = u.control.SetReadDeadline(time.Now().Add(2 * leftover)) }

// ended waits until nothing is read any more.
func (u *upload) ended() { <-u.done }

// patient reads for as long as something comes.
type patient struct {
	io.Reader
	upload *upload
	end    time.Time
}

// Read implements [io.Reader].
func (p patient) Read(b []byte) (int, error) {
	deadline := time.Now().Add(stall)
	if deadline.After(p.end) {
		deadline = p.end
	}
	_ = p.upload.control.SetReadDeadline(deadline)
	if p.upload.left.Load() { // its deadline may just have been replaced
		p.upload.drain()
	}
	return p.Reader.Read(b)
}
