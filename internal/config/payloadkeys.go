package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ecpayq/ecpayq/tasks/seal"
)

// PayloadKeys returns the keys that seal data of buyers, nil where no file is named, and a ring that
// stores it readable where that is asked for.
func (c *Config) PayloadKeys() (*seal.Ring, error) {
	switch {
	case c.PayloadKeyFile == "" && c.PayloadPlaintext:
		return seal.Plaintext(), nil
	case c.PayloadKeyFile == "":
		return nil, nil
	case c.PayloadPlaintext:
		return nil, hint(errors.New("give ECPAYQ_PAYLOAD_KEY_FILE or ECPAYQ_PAYLOAD_PLAINTEXT, not both"),
			"with keys payloads are sealed; what was stored readable before is read all the same")
	}
	text, err := ReadPayloadKeyFile(c.PayloadKeyFile)
	if err != nil {
		return nil, err
	}
	keys, err := seal.Parse(text)
	if err != nil {
		return nil, hint(fmt.Errorf("ECPAYQ_PAYLOAD_KEY_FILE: %s: %w", c.PayloadKeyFile, err),
			"one key a line, like those of openssl rand -base64 32; ecpayq keys rotate adds one, or makes the file")
	}
	return keys, nil
}

// ReadPayloadKeyFile reads the text of a file of keys, as any file of a secret is read.
func ReadPayloadKeyFile(path string) ([]byte, error) {
	text, err := readRegular(path, maxSecretFile)
	if err != nil {
		return nil, hintForFile(fmt.Errorf("ECPAYQ_PAYLOAD_KEY_FILE: %w", err))
	}
	return text, nil
}

// AddPayloadKey puts a new key at the top of the file, so that it seals from then on, and makes the
// file where it is not there. It returns the keys after that, and whether the file is new.
//
// The file is replaced as a whole, by one beside it: whoever reads it reads the keys from before or
// all of them. It keeps its owner, and its mode but for what others may. Of two that do it at once,
// one is refused: a key that was lost could have sealed something.
func (c *Config) AddPayloadKey() (keys *seal.Ring, created bool, err error) {
	if c.PayloadKeyFile == "" {
		return nil, false, hint(errors.New("ECPAYQ_PAYLOAD_KEY_FILE is not set"),
			"set it, or --payload-key-file, to the file that is to hold the keys")
	}
	path := c.PayloadKeyFile
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays one
	}
	if mounted(c.PayloadKeyFile) {
		return nil, false, hint(fmt.Errorf("ECPAYQ_PAYLOAD_KEY_FILE: %s is a mounted secret, which is not written here", c.PayloadKeyFile),
			"put a line of openssl rand -base64 32 before the others where the secret is kept")
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, false, hint(fmt.Errorf("ECPAYQ_PAYLOAD_KEY_FILE: %w", err),
			"this user must be able to write beside the file; if the lock is there and nobody rotates keys, remove it")
	}
	defer func() { _ = errors.Join(lock.Close(), os.Remove(lock.Name())) }()
	before, err := os.Stat(path)
	text := []byte(nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		created = true
	case err == nil:
		if text, err = ReadPayloadKeyFile(path); err == nil {
			_, err = seal.Parse(text)
		}
		if errors.Is(err, seal.ErrNoKeys) {
			err = nil
		}
	}
	if err != nil && !created {
		return nil, false, fmt.Errorf("ECPAYQ_PAYLOAD_KEY_FILE: %s: %w", path, err)
	}
	text = append([]byte(seal.NewKey()+"\n"), text...)
	if len(text) > maxSecretFile {
		return nil, false, hint(fmt.Errorf("ECPAYQ_PAYLOAD_KEY_FILE: %s would be larger than %d KiB", path, maxSecretFile>>10),
			"take out keys that ecpayq keys status says are not needed")
	}
	if keys, err = seal.Parse(text); err != nil {
		return nil, false, err
	}
	return keys, created, replaceFile(path, text, before)
}

// replaceFile writes a file of a secret anew. before is what is known of the one that is there, nil for
// none.
func replaceFile(path string, text []byte, before fs.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".payload-keys-*") // which only its owner can read
	if err != nil {
		return fmt.Errorf("ECPAYQ_PAYLOAD_KEY_FILE: %w", err)
	}
	defer os.Remove(f.Name()) // where it was not renamed
	_, err = f.Write(text)
	if before != nil {
		err = errors.Join(err, keepOwner(f, before), f.Chmod(before.Mode().Perm()&^0o007))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("ECPAYQ_PAYLOAD_KEY_FILE: replace the file: %w", err)
	}
	return nil
}

// syncDir makes a rename in a directory last.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
