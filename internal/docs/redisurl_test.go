package docs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/enqueue"
)

// The error about an unknown option lists the known ones.
func TestTheTableOfRedisURLOptionsIsThatOfTheCode(t *testing.T) {
	t.Parallel()
	_, err := enqueue.ParseRedisURL("redis://h?nosuch=1")
	if err == nil {
		t.Fatal("an unknown option is accepted")
	}
	_, list, _ := strings.Cut(err.Error(), "options are ")
	want := strings.Split(list, ", ")
	value := map[string]string{"db": "0", "ca_file": authority(t)}
	for _, name := range readmes {
		var got []string
		for _, row := range readPage(t, name).tableWith(t, want[0], 3)[1:] {
			option := strings.Trim(row[0], "`")
			got = append(got, option)
			documented := strings.Fields(strings.ReplaceAll(row[1], "`", ""))
			for scheme, url := range map[string]string{
				"redis://": "redis://h", "rediss://": "rediss://h", "unix://": "unix:///s", "redis-sentinel://": "redis-sentinel://h",
				"rediss-sentinel://": "rediss-sentinel://h", "redis-cluster://": "redis-cluster://h", "rediss-cluster://": "rediss-cluster://h",
			} {
				v := value[option]
				if v == "" {
					v = "x"
				}
				_, err := enqueue.ParseRedisURL(url + "?" + option + "=" + v)
				if says := slices.Contains(documented, scheme); (err == nil) != says {
					t.Errorf("%s: %s with %s: documented %t, but %v", name, option, scheme, says, err)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// authority is a file that holds a certificate.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
