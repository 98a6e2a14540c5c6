//go:build unix

package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ecpayq/ecpayq/internal/config"
)

func TestAFileThatMayNeverEndIsRefusedWhateverNamesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<30); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{pipe: "a pipe", "/dev/zero": "a device", link: "a device", dir: "a directory", large: "is larger than"}
	quoted := func(path string) string { return `"` + path + `"` }
	read := map[string]func(path string) error{
		"ECPAYQ_REDIS_URL_FILE": func(path string) error {
			_, err := mustParse(t, map[string]string{"ECPAYQ_REDIS_URL_FILE": path}).ResolveRedisURL()
			return err
		},
		"ECPAYQ_OUTBOX_URL_FILE": func(path string) error {
			_, err := mustParse(t, map[string]string{"ECPAYQ_OUTBOX_URL_FILE": path}).Outbox()
			return err
		},
		"ECPAYQ_CONFIG": func(path string) error {
			_, err := mustParse(t, map[string]string{"ECPAYQ_CONFIG": path}).Open()
			return err
		},
		"ECPAYQ_CONFIG of a dashboard": func(path string) error {
			_, err := mustParse(t, map[string]string{"ECPAYQ_CONFIG": path}).Page()
			return err
		},
		"merchant 1000001: hash_key_file": func(path string) error {
			_, err := open(t, "merchants: [{merchant_id: '1000001', hash_iv: "+ivA+", hash_key_file: "+quoted(path)+"}]", nil)
			return err
		},
		"platform 1000002: hash_iv_file": func(path string) error {
			_, err := open(t, "platforms: [{platform_id: '1000002', hash_key: "+keyA+", hash_iv_file: "+quoted(path)+"}]\n"+
				"merchants: [{merchant_id: '1000001', platform_id: '1000002', keys: platform}]", nil)
			return err
		},
		"ECPAYQ_PAYLOAD_KEY_FILE": func(path string) error {
			_, err := mustParse(t, map[string]string{"ECPAYQ_PAYLOAD_KEY_FILE": path}).PayloadKeys()
			return err
		},
		"tls-key": func(path string) error { _, err := config.ReadPEM("tls-key", path); return err },
	}
	for _, s := range config.Settings() {
		if name, ok := strings.CutSuffix(s.Env, "_FILE"); ok && read[s.Env] == nil {
			read[s.Env] = func(path string) error {
				env := map[string]string{"ECPAYQ_MERCHANT_ID": "1000001", "ECPAYQ_HASH_KEY": keyA, "ECPAYQ_HASH_IV": ivA, s.Env: path}
				delete(env, name)
				_, err := mustParse(t, env).Open()
				return err
			}
		}
	}
	if len(read) < 10 {
		t.Errorf("%d ways to name a file, want all", len(read))
	}
	for name, f := range read {
		for path, want := range files {
			err := f(path)
			var h *config.Hint
			if err == nil || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), strings.TrimSuffix(name, " of a dashboard")) || !errors.As(err, &h) {
				t.Errorf("%s is %s: got error %v, want one that names it and says %q, with a hint", name, path, err, want)
			}
		}
	}
}

func TestFilesOfKeysThatOthersCanReadAreNamed(t *testing.T) {
	t.Parallel()
	file := func(mode os.FileMode, dirs ...string) string {
		t.Helper()
		dir := filepath.Join(append([]string{t.TempDir()}, dirs...)...)
		path := filepath.Join(dir, "key")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(keyA), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ask := func(path string) string {
		return strings.Join(config.Exposed([]config.SecretFile{{Name: "NAME", Path: path}}), "\n")
	}
	for mode, want := range map[os.FileMode]string{
		0o600: "", 0o400: "", 0o640: "", 0o440: "", 0o644: "can be read by every user of this machine (mode 0644)",
		0o604: "can be read by every user of this machine (mode 0604)",
		0o666: "can be written by every user of this machine (mode 0666)", 0o660: "can be written by its group (mode 0660)",
	} {
		path := file(mode)
		if want != "" {
			want = "NAME: " + path + " " + want
		}
		if got := ask(path); got != want {
			t.Errorf("mode %04o: got %q, want %q", mode, got, want)
		}
	}
	// As Kubernetes has it: key -> ..data/key, ..data -> ..2026_03_01_10_00_00.1
	real := file(0o644, "..2026_03_01_10_00_00.1")
	volume := filepath.Dir(filepath.Dir(real))
	if err := errors.Join(os.Symlink(filepath.Base(filepath.Dir(real)), filepath.Join(volume, "..data")),
		os.Symlink("..data/key", filepath.Join(volume, "key"))); err != nil {
		t.Fatal(err)
	}
	if got := ask(filepath.Join(volume, "key")); got != "" {
		t.Errorf("a secret that Kubernetes mounted: got %q, want nothing", got)
	}
	for _, path := range []string{"", "/nowhere"} {
		if got := ask(path); got != "" {
			t.Errorf("%q: got %q, want nothing", path, got)
		}
	}
	var many []config.SecretFile
	for range 9 {
		many = append(many, config.SecretFile{Name: "NAME", Path: file(0o644)})
	}
	if got := config.Exposed(append(many, many...)); len(got) != 6 || got[5] != "4 more files of keys are like that" {
		t.Errorf("of nine, each named twice: got %q, want five and how many more", got)
	}
}

func TestTheFilesThatHoldSecretsAreKnown(t *testing.T) {
	t.Parallel()
	yaml := write(t, "ecpayq.yaml",
		"platforms: [{platform_id: '3', hash_key_file: a, hash_iv_file: b}]\nmerchants: [{merchant_id: '1', hash_key_file: "+
			"c, hash_iv_file: d}]\n")
	cfg := mustParse(t, map[string]string{"ECPAYQ_CONFIG": yaml, "ECPAYQ_HASH_KEY_FILE": "e", "ECPAYQ_HASH_IV_FILE": "f",
		"ECPAYQ_REDIS_URL_FILE": "g", "ECPAYQ_OUTBOX_URL_FILE": "h", "ECPAYQ_PAYLOAD_KEY_FILE": "i"})
	var got []string
	for _, f := range cfg.SecretFiles() {
		got = append(got, f.Path)
	}
	if strings.Join(got, " ") != "g i h e f a b c d" {
		t.Errorf("got %q", got)
	}
	for name, text := range map[string]string{
		"keys of a merchant": "merchants: [{merchant_id: '1', hash_key: x, hash_iv: y}]",
		"keys of a platform": "platforms: [{platform_id: '1', hash_iv: y}]",
		"passwords":          "dashboard: {users: [{name: a, password_hash: b, role: viewer}]}",
	} {
		path := write(t, "ecpayq.yaml", text)
		if files := mustParse(t, map[string]string{"ECPAYQ_CONFIG": path}).PageSecretFiles(); len(files) != 3 || files[2].Path != path {
			t.Errorf("%s: got %v, want the YAML file itself", name, files)
		}
	}
}
