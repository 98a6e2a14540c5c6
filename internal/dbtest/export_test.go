//go:build unix

package dbtest

import "github.com/ecpayq/ecpayq/internal/child"

// What the tests look at from outside.
var (
	FindPostgres = findPostgres
	FindAny      = findAny
)

// Processes returns all processes of a running server, its own one first.
func (s *Server) Processes() []child.Task {
	p := s.running()
	if p == nil {
		return nil
	}
	return child.Family(p.PID)
}
