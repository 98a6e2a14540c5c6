package main_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// wantOneTask carries a write and a query over whatever Redis the bench has.
func (b *bench) wantOneTask() {
	b.Helper()
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "REDIS1"}))
	b.must(b.fake.StageAllowance(ecpaytest.Allowance{AllowanceNo: "2603010000000071"}))
	b.worker()
	write := b.enqueue("trigger-issue", "--tsr", "REDIS1")
	query := b.enqueue("get-allowance-confirm", "--allowance-no", "2603010000000071")
	b.waitFor(write.ID, "completed")
	b.waitFor(query.ID, "completed")
	if again := b.enqueue("trigger-issue", "--tsr", "REDIS1"); !again.Duplicate || again.State != "completed" {
		b.Errorf("second receipt: got %+v, want a duplicate that is completed", again)
	}
	b.wantEffects("REDIS1", "issued")
	b.wantFresh()
}

func TestATaskGoesThroughRedisSentinel(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	b.env["ECPAYQ_REDIS_URL"] = redistest.NewSentinel(t, redistest.SentinelOptions{AppendFsync: "no"}).URL()
	b.wantOneTask()
}

func TestATaskGoesThroughRedisCluster(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	b.env["ECPAYQ_REDIS_URL"] = redistest.NewCluster(t, 3).URL()
	b.wantOneTask()
	d := b.dashboard()
	if status, body := d.get("/asynq/api/queues/trigger_issue/completed_tasks"); status != http.StatusOK || !strings.Contains(body, "REDIS1") {
		t.Errorf("the dashboard: got status %d and %s, want the task", status, body)
	}
}

func TestATaskGoesThroughASocketAPasswordAnotherDatabaseAndTLS(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(socketDir(t), "redis.sock")
	ca, cert, key := certificate(t)
	tlsPort := strings.TrimPrefix(freeAddr(t), "127.0.0.1:")
	withPassword := redistest.Options{AppendFsync: "no", Username: "queue", Password: "s3cret-word"}
	rows := []struct {
		name    string
		options redistest.Options
		changes func(*redistest.Server) env
	}{
		{"unix socket", redistest.Options{AppendFsync: "no", Args: []string{"--unixsocket", socket}},
			func(*redistest.Server) env { return env{"ECPAYQ_REDIS_URL": "unix://" + socket + "?db=2"} }},
		{"user, password and database 3", withPassword,
			func(s *redistest.Server) env {
				return env{"ECPAYQ_REDIS_URL": strings.TrimSuffix(s.URL(), "/0") + "/3"}
			}},
		{"URL from a file", withPassword,
			func(s *redistest.Server) env {
				return env{"ECPAYQ_REDIS_URL": "", "ECPAYQ_REDIS_URL_FILE": writeFile(t, filepath.Join(t.TempDir(), "url"), s.URL()+"\n")}
			}},
		{"TLS", redistest.Options{AppendFsync: "no", Args: []string{
			"--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"}},
			func(*redistest.Server) env {
				return env{"ECPAYQ_REDIS_URL": "rediss://127.0.0.1:" + tlsPort + "/0?ca_file=" + ca}
			}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWithout(t, ecpaytest.Config{}, nil)
			b.useRedis(row.options)
			b.set(row.changes(b.redis))
			b.wantOneTask()
		})
	}
}

// socketDir is a short path: a socket's may have about 100 bytes.
func socketDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if len(dir) > 80 {
		t.Skipf("the temporary directory %s is too long for a socket", dir)
	}
	return dir
}

// certificate writes a certificate for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (ca, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert = writeFile(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = writeFile(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return cert, cert, key
}

// oldRedis answers as much of Redis' protocol as it takes to tell its version.
func oldRedis(t *testing.T, version string) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serveOldRedis(conn, version)
		}
	}()
	return "redis://" + ln.Addr().String() + "/0"
}

func serveOldRedis(conn net.Conn, version string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		bulk := func(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }
		var answer string
		switch strings.ToUpper(words[0]) {
		case "HELLO":
			answer = "%3\r\n" + bulk("server") + bulk("redis") + bulk("version") + bulk(version) + bulk("proto") + ":3\r\n"
		case "PING":
			answer = "+PONG\r\n"
		case "INFO":
			answer = bulk("# Server\r\nredis_version:" + version + "\r\nredis_mode:standalone\r\n")
		case "TIME":
			now := time.Now()
			answer = "*2\r\n" + bulk(strconv.FormatInt(now.Unix(), 10)) + bulk(strconv.Itoa(now.Nanosecond()/1000))
		case "CONFIG":
			setting := map[string]string{"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}[words[len(words)-1]]
			answer = "%1\r\n" + bulk(words[len(words)-1]) + bulk(setting)
		default:
			answer = "-ERR unknown command\r\n"
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

func readCommand(in *bufio.Reader) ([]string, error) {
	number := func(prefix byte) (int, error) {
		line, err := in.ReadString('\n')
		if err != nil || line == "" || line[0] != prefix {
			return 0, fmt.Errorf("not a command: %q, %w", line, err)
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number('*')
	if err != nil {
		return nil, err
	}
	words := make([]string, n)
	for i := range words {
		size, err := number('$')
		if err != nil {
			return nil, err
		}
		buf := make([]byte, size+2)
		if _, err := io.ReadFull(in, buf); err != nil {
			return nil, err
		}
		words[i] = string(buf[:size])
	}
	return words, nil
}

func TestARedisThatIsTooOldIsRefused(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, env{"ECPAYQ_REDIS_URL": oldRedis(t, "6.0.16")})
	r := b.run("worker")
	if r.code != 1 || !strings.Contains(r.stderr, "redis is older than 6.2: it is 6.0.16") ||
		!strings.Contains(r.stderr, "\nhint: upgrade Redis to 6.2") {
		t.Errorf("worker: got exit code %d and %q, want 1, both versions and a hint", r.code, r.stderr)
	}
	if got := b.doctor(1)["redis"]; got.Status != "failed" || !strings.Contains(got.Detail, "6.0.16") || !strings.Contains(got.Hint, "6.2") {
		t.Errorf("doctor: got %+v, want redis failed with both versions", got)
	}
}

func TestAWorkerWithoutRedisSaysSoAndStops(t *testing.T) {
	t.Parallel()
	for _, row := range awayRows(t) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWithout(t, ecpaytest.Config{}, env{"ECPAYQ_REDIS_URL": row.url})
			w := start(t, b.env, "worker")
			b.wantRedisHint(w.wait(20*time.Second), row)
		})
	}
}

func TestAWorkerSaysWhenRedisIsNotDurable(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil) // without AOF
	w := b.worker()
	if !strings.Contains(w.err.String(), "redis is not durable: appendonly is no") {
		t.Errorf("got %q in the log, want that Redis is not durable", w.err)
	}
}
