package redishealth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// certificate writes a certificate for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
}

func TestTLSAndNoTLSAreToldApart(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	start := func(clients string) (plainAddr, tlsAddr string) {
		tlsAddr = freeAddr(t)
		s := redistest.New(t, redistest.Options{AppendFsync: "no", Args: []string{
			"--tls-port", strings.TrimPrefix(tlsAddr, "127.0.0.1:"), "--tls-cert-file", cert,
			"--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", clients,
		}})
		return s.Addr(), tlsAddr
	}
	plainAddr, tlsAddr := start("no")
	_, asking := start("yes")
	must(t, askFor(t, openFor(t, "rediss://"+tlsAddr+"?ca_file="+cert, 30*time.Second), time.Minute))
	_, port, _ := net.SplitHostPort(tlsAddr)
	for name, row := range map[string]trouble{
		"no TLS on a port of TLS":                {redishealth.IsTLS, "redis://" + tlsAddr, "rediss://"},
		"no TLS on a port that wants a client's": {redishealth.IsTLS, "redis://" + asking, "rediss://"},
		"a cluster's likewise":                   {redishealth.IsTLS, "redis-cluster://" + tlsAddr, "rediss-cluster://"},
		"TLS on a plain port":                    {redishealth.IsPlain, "rediss://" + plainAddr + "?ca_file=" + cert, "redis://"},
		"an unknown authority":                   {redishealth.Certificate, "rediss://" + tlsAddr, "ca_file"},
		"another name":                           {redishealth.Certificate, "rediss://localhost:" + port + "?ca_file=" + cert, "ca_file"},
		"a client's certificate is asked for":    {redishealth.Certificate, "rediss://" + asking + "?ca_file=" + cert, "tls-auth-clients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if row.reason == redishealth.Certificate { // such a server answers, when it comes to it
				wantReason(t, askFor(t, openFor(t, row.url, 30*time.Second), time.Minute), row)
				return
			}
			wantTrouble(t, row)
		})
	}
}
