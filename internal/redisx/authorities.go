package redisx

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
)

const maxCAFile = 1 << 20

// Authorities reads the certificates of a ca_file of a URL.
func Authorities(path string) (*x509.CertPool, error) {
	pem, err := readCAFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca_file holds no PEM certificate")
	}
	return pool, nil
}

// readCAFile reads a file of at most 1 MiB. A pipe or a device is refused before it is
// opened: it may never end.
func readCAFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	if err == nil && len(b) > maxCAFile {
		err = fmt.Errorf("%s is larger than %d KiB", path, maxCAFile>>10)
	}
	return b, err
}
