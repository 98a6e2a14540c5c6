package api

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// spoolMemory is how much of the results of a batch is kept in memory; the rest is in a file. Where
// no file can be made, as in an image without /tmp, spoolAlone is.
const spoolMemory, spoolAlone = 256 << 10, 8 << 20

// spoolMost is how much there may be of one batch: more than 1,000,000 lines that are stored have.
const spoolMost = 512 << 20

// errSpoolFull means that a batch has more results than are kept.
var errSpoolFull = errors.New("more results than are kept of a batch")

// spool keeps results until the client, which may write all before it reads any, wants them.
type spool struct {
	memory bytes.Buffer
	file   *os.File
	size   int
}

// Write implements [io.Writer].
func (s *spool) Write(p []byte) (int, error) {
	if s.size += len(p); s.size > spoolMost {
		return 0, errSpoolFull
	}
	if s.memory.Len()+len(p) > spoolMemory {
		if err := s.empty(); err != nil && s.memory.Len()+len(p) > spoolAlone {
			return 0, err
		}
	}
	return s.memory.Write(p)
}

// empty puts what is in memory into the file.
func (s *spool) empty() error {
	if s.file == nil {
		f, err := os.CreateTemp("", "ecpayq-batch-")
		if err != nil {
			return err
		}
		_ = os.Remove(f.Name()) // it is gone when it is closed, also when the process dies; elsewhere Close removes it
		s.file = f
	}
	_, err := s.memory.WriteTo(s.file)
	return err
}

// reader returns all that was written. Nothing is written after.
func (s *spool) reader() (io.Reader, error) {
	if s.file == nil {
		return &s.memory, nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.MultiReader(s.file, &s.memory), nil
}

// Close forgets it.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	_ = os.Remove(s.file.Name())
	return err
}
