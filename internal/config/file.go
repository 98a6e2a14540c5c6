package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Limits of what is read: a secret is one line, and a YAML file of 10,000 merchants has
// 2 MiB.
const (
	maxSecretFile = 64 << 10
	maxYAMLFile   = 16 << 20
	maxPEMFile    = 1 << 20
)

// ErrNotRegular is wrapped by the error about a file that may never end.
var ErrNotRegular = errors.New("not a regular file")

// readRegular reads a whole file of at most so many bytes. A pipe or a device is
// refused before it is opened, which could take forever, as reading it could.
func readRegular(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, FileError(err)
	}
	if kind := kindOf(info.Mode()); kind != "" {
		return nil, fmt.Errorf("%s is %s, %w", path, kind, ErrNotRegular)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, FileError(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d KiB", path, most>>10)
	}
	return b, err
}

// FileError says why a file was not opened, in words that are not Go's; it still is what it was.
func FileError(err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err
	}
	return &fileError{path.Path + ": " + path.Err.Error(), err}
}

type fileError struct {
	text string
	err  error
}

func (e *fileError) Error() string { return e.text }
func (e *fileError) Unwrap() error { return e.err }

// kindOf says what a file is that is not regular, empty for one that is.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return ""
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// hintForFile advises on a file that was not read.
func hintForFile(err error) error {
	if errors.Is(err, ErrNotRegular) {
		return hint(err, "check that it is a regular file, not a pipe or a device, and that this user may read it")
	}
	return hint(err, "check that the file exists and that this user may read it")
}

// readFile reads a secret or identifier: one line, surrounding space dropped.
func readFile(name, path string) (string, error) {
	b, err := readRegular(path, maxSecretFile)
	if err != nil {
		return "", hintForFile(fmt.Errorf("%s: %w", name, err))
	}
	v := strings.TrimSpace(string(b))
	if v == "" {
		return "", fmt.Errorf("%s: %s is empty", name, path)
	}
	return v, nil
}

// orFile is what a file holds if there is one, and else the value.
func orFile(value, name, path string) (string, error) {
	if path == "" {
		return value, nil
	}
	return readFile(name, path)
}

// ReadPEM reads a certificate or its key, of at most 1 MiB.
func ReadPEM(name, path string) ([]byte, error) {
	b, err := readRegular(path, maxPEMFile)
	if err != nil {
		return nil, hintForFile(fmt.Errorf("%s: %w", name, err))
	}
	return b, nil
}
