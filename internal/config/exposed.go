package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SecretFile is a file that holds a secret, and what names it.
type SecretFile struct{ Name, Path string }

// SecretFiles are those that a worker reads.
func (c *Config) SecretFiles() []SecretFile {
	list := c.PageSecretFiles()
	list = append(list, SecretFile{"ECPAYQ_OUTBOX_URL_FILE", c.OutboxURLFile},
		SecretFile{"ECPAYQ_HASH_KEY_FILE", c.HashKeyFile}, SecretFile{"ECPAYQ_HASH_IV_FILE", c.HashIVFile})
	f, err := readYAML(c.File)
	if err != nil {
		return list // whoever needs the file says so
	}
	for _, p := range f.Platforms {
		list = append(list, p.secretFiles("platform "+p.PlatformID)...)
	}
	for _, m := range f.Merchants {
		list = append(list, m.secretFiles("merchant "+m.MerchantID)...)
	}
	return append(list, f.webhookFiles()...)
}

// PageSecretFiles are those that a dashboard reads.
func (c *Config) PageSecretFiles() []SecretFile {
	list := []SecretFile{{"ECPAYQ_REDIS_URL_FILE", c.RedisURLFile}, {"ECPAYQ_PAYLOAD_KEY_FILE", c.PayloadKeyFile}}
	if f, err := readYAML(c.File); err == nil && f.holdsSecrets() {
		list = append(list, SecretFile{"ECPAYQ_CONFIG", c.File})
	}
	return list
}

func (k keyPair) secretFiles(who string) []SecretFile {
	return []SecretFile{{who + ": hash_key_file", k.HashKeyFile}, {who + ": hash_iv_file", k.HashIVFile}}
}

func (k keyPair) inline() bool { return !k.HashKey.IsZero() || !k.HashIV.IsZero() }

// holdsSecrets reports whether the file has keys itself, or hashes of passwords.
func (f file) holdsSecrets() bool {
	for _, p := range f.Platforms {
		if p.inline() {
			return true
		}
	}
	for _, m := range f.Merchants {
		if m.inline() {
			return true
		}
	}
	return len(f.Dashboard.Users) > 0
}

// mostExposed is how many files are named.
const mostExposed = 5

// Exposed says which of the files others than their owner and its group can read, or
// others than their owner can write. That the group reads one is how a service is
// given what root owns.
func Exposed(files []SecretFile) []string {
	var list []string
	seen := map[string]bool{}
	for _, f := range files {
		if f.Path == "" || seen[f.Path] {
			continue
		}
		seen[f.Path] = true
		info, err := os.Stat(f.Path)
		if err != nil || mounted(f.Path) {
			continue
		}
		if why := exposure(info); why != "" {
			list = append(list, fmt.Sprintf("%s: %s %s", f.Name, f.Path, why))
		}
	}
	if n := len(list) - mostExposed; n > 0 {
		list = append(list[:mostExposed], fmt.Sprintf("%d more files of keys are like that", n))
	}
	return list
}

func exposure(info fs.FileInfo) string {
	mode := info.Mode().Perm()
	uid, known := ownerOf(info)
	switch {
	case mode&0o002 != 0:
		return fmt.Sprintf("can be written by every user of this machine (mode %04o)", mode)
	case mode&0o004 != 0:
		return fmt.Sprintf("can be read by every user of this machine (mode %04o)", mode)
	case mode&0o020 != 0:
		return fmt.Sprintf("can be written by its group (mode %04o)", mode)
	case known && uid != 0 && uid != os.Geteuid():
		return fmt.Sprintf("belongs to another user (uid %d)", uid)
	}
	return ""
}

// mounted reports whether a file is a secret that Kubernetes, Docker or systemd put
// where only this container or service sees it. The first two make them readable by
// all, 0644 and 0444. Kubernetes' volumes of secrets are told by the directory to which
// the link ..data points, whose name is two dots and the time.
func mounted(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	if real, err = filepath.Abs(real); err != nil {
		return false
	}
	for _, dir := range []string{"/run/secrets/", "/var/run/secrets/", "/run/credentials/"} {
		if strings.HasPrefix(real, dir) {
			return true
		}
	}
	for part := range strings.SplitSeq(filepath.ToSlash(real), "/") {
		if len(part) > 2 && strings.HasPrefix(part, "..") {
			return true
		}
	}
	return false
}
