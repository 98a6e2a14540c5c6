// Package deploy_test holds the files of this directory, and the compose file
// and Makefile that go with them, to what the documentation promises of them.
package deploy_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// minGrace leaves a worker its 60 s of shutdown and 10 s more before it ends
// itself, with some to spare.
const minGrace = 90 * time.Second

type compose struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Networks map[string]struct {
		Internal bool `yaml:"internal"`
	} `yaml:"networks"`
	Volumes map[string]struct{} `yaml:"volumes"`
	Secrets map[string]struct {
		File string `yaml:"file"`
	} `yaml:"secrets"`
	Hardened service `yaml:"x-hardened"`
}

type service struct {
	Image           string                                       `yaml:"image"`
	Build           struct{ Context, Dockerfile, Target string } `yaml:"build"`
	Command         []string                                     `yaml:"command"`
	Profiles        []string                                     `yaml:"profiles"`
	Environment     map[string]string                            `yaml:"environment"`
	Secrets         []string                                     `yaml:"secrets"`
	Volumes         []string                                     `yaml:"volumes"`
	Ports           []string                                     `yaml:"ports"`
	Tmpfs           []string                                     `yaml:"tmpfs"`
	Networks        []string                                     `yaml:"networks"`
	NetworkMode     string                                       `yaml:"network_mode"`
	DependsOn       map[string]struct{ Condition string }        `yaml:"depends_on"`
	Healthcheck     healthcheck                                  `yaml:"healthcheck"`
	StopGracePeriod time.Duration                                `yaml:"stop_grace_period"`
	ReadOnly        bool                                         `yaml:"read_only"`
	CapDrop         []string                                     `yaml:"cap_drop"`
	SecurityOpt     []string                                     `yaml:"security_opt"`
	Restart         string                                       `yaml:"restart"`
}

type healthcheck struct {
	Test        []string      `yaml:"test"`
	Interval    time.Duration `yaml:"interval"`
	Timeout     time.Duration `yaml:"timeout"`
	Retries     int           `yaml:"retries"`
	StartPeriod time.Duration `yaml:"start_period"`
	Disable     bool          `yaml:"disable"`
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readCompose(t *testing.T) compose {
	t.Helper()
	return parseCompose(t, read(t, "../docker-compose.yml"))
}

func parseCompose(t *testing.T, text string) compose {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true) // a misspelt key would otherwise pass unseen
	var c compose
	if err := d.Decode(&c); err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return c
}

func TestRedisConfIsDurableAndEvictsNothing(t *testing.T) {
	t.Parallel()
	conf, err := filepath.Abs("redis.conf")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// The server is told the opposite first, so that what it ends up with is
	// what the file says.
	s := redistest.New(t, redistest.Options{
		AppendFsync:     "no",
		MaxmemoryPolicy: "allkeys-lru",
		Args:            []string{"--protected-mode", "no", "--save", "60 1", "--include", conf},
	})
	rdb := s.Client()
	want := map[string]string{
		"appendonly":                "yes",
		"appendfsync":               "always",
		"no-appendfsync-on-rewrite": "no",
		"maxmemory-policy":          "noeviction",
		"protected-mode":            "yes",
		"save":                      "",
		"timeout":                   "0",
	}
	got := map[string]string{}
	for name := range want {
		one, err := rdb.ConfigGet(ctx, name).Result()
		if err != nil {
			t.Fatal(err)
		}
		got[name] = one[name]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestComposeRedisKeepsItsData(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	redis := c.Services["redis"]
	if want := []string{"redis-server", "/usr/local/etc/redis/redis.conf"}; len(redis.Command) < 2 || !slices.Equal(redis.Command[:2], want) {
		t.Errorf("command %q does not begin with %q", redis.Command, want)
	}
	for _, want := range []string{"./deploy/redis.conf:/usr/local/etc/redis/redis.conf:ro", "redis-data:/data"} {
		if !slices.Contains(redis.Volumes, want) {
			t.Errorf("volumes %q lack %q", redis.Volumes, want)
		}
	}
	if _, ok := c.Volumes["redis-data"]; !ok {
		t.Error("the volume redis-data is not declared")
	}
	// It answers without a password, which is right only where nobody else is.
	if len(redis.Ports) != 0 || !slices.Equal(redis.Networks, []string{"queue"}) || !c.Networks["queue"].Internal {
		t.Errorf("redis can be reached from elsewhere: ports %q, networks %q", redis.Ports, redis.Networks)
	}
	if len(redis.Healthcheck.Test) == 0 {
		t.Error("no healthcheck")
	}
}

func TestComposeWorker(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	worker := c.Services["worker"]
	if worker.Build.Dockerfile != "deploy/Dockerfile" || worker.Build.Target != "production" {
		t.Errorf("built from %+v", worker.Build)
	}
	if worker.StopGracePeriod < minGrace {
		t.Errorf("stop_grace_period is %s, want at least %s", worker.StopGracePeriod, minGrace)
	}
	if got := worker.DependsOn["redis"].Condition; got != "service_healthy" {
		t.Errorf("it depends on redis being %q", got)
	}
	if want := []string{"CMD", "/ecpayq", "healthcheck"}; !slices.Equal(worker.Healthcheck.Test, want) {
		t.Errorf("healthcheck is %q, want %q", worker.Healthcheck.Test, want)
	}
	if len(worker.Profiles) != 0 || len(worker.Ports) != 0 {
		t.Errorf("profiles %q and ports %q, want none", worker.Profiles, worker.Ports)
	}
	if diff := cmp.Diff(map[string]string{
		"ECPAYQ_REDIS_URL":     "redis://redis:6379/0",
		"ECPAYQ_ECPAY_URL":     "${ECPAYQ_ECPAY_URL:-stage}",
		"ECPAYQ_MERCHANT_ID":   "${ECPAYQ_MERCHANT_ID:?set it to the MerchantID that ECPay gave you}",
		"ECPAYQ_HASH_KEY_FILE": "/run/secrets/hash_key",
		"ECPAYQ_HASH_IV_FILE":  "/run/secrets/hash_iv",
		"ECPAYQ_ADMIN_ADDR":    "0.0.0.0:8989",
	}, worker.Environment); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestComposeSecretsComeFromFilesOnly(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	if diff := cmp.Diff([]string{"hash_key", "hash_iv"}, c.Services["worker"].Secrets); diff != "" {
		t.Errorf("the worker's secrets (-want +got):\n%s", diff)
	}
	for name, s := range c.Secrets {
		want := "${ECPAYQ_" + strings.ToUpper(name) + "_FILE:?"
		if name == "dashboard" || name == "api" {
			want = strings.Replace(want, ":?", ":-", 1) // read also where there is none
		}
		if !strings.HasPrefix(s.File, want) {
			t.Errorf("secret %s is read from %q", name, s.File)
		}
	}
	for name, s := range c.Services {
		for key := range s.Environment {
			if key == "ECPAYQ_HASH_KEY" || key == "ECPAYQ_HASH_IV" {
				t.Errorf("service %s has %s in its environment, where docker inspect shows it", name, key)
			}
		}
		if name != "worker" && name != "dashboard" && name != "api" && len(s.Secrets) != 0 {
			t.Errorf("service %s is given %q", name, s.Secrets)
		}
	}
}

// The head of the file says which lines of an outbox to take out of their comments.
func TestComposeOutboxIsThereOnceItsLinesAreNoComments(t *testing.T) {
	t.Parallel()
	commented := regexp.MustCompile(`(?m)^( +)# (.*(?:outbox_url|ECPAYQ_OUTBOX_URL_FILE).*)$`)
	text := read(t, "../docker-compose.yml")
	if n := len(commented.FindAllString(text, -1)); n != 4 || !strings.Contains(text, "take the four lines") {
		t.Errorf("%d lines are of the outbox", n)
	}
	text = strings.Replace(text, "    secrets: [hash_key, hash_iv]\n", "", 1)
	c := parseCompose(t, commented.ReplaceAllString(text, "$1$2"))
	if got := c.Services["worker"].Environment["ECPAYQ_OUTBOX_URL_FILE"]; got != "/run/secrets/outbox_url" {
		t.Errorf("ECPAYQ_OUTBOX_URL_FILE is %q", got)
	}
	if diff := cmp.Diff([]string{"hash_key", "hash_iv", "outbox_url"}, c.Services["worker"].Secrets); diff != "" {
		t.Errorf("the worker's secrets (-want +got):\n%s", diff)
	}
	if got := c.Secrets["outbox_url"].File; !strings.HasPrefix(got, "${ECPAYQ_OUTBOX_URL_FILE:?") {
		t.Errorf("the URL is read from %q", got)
	}
}

func TestComposeStartsTheFakeAndTheDashboardOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	var always []string
	for name, s := range c.Services {
		if len(s.Profiles) == 0 {
			always = append(always, name)
		}
	}
	slices.Sort(always)
	if diff := cmp.Diff([]string{"redis", "worker"}, always); diff != "" {
		t.Errorf("services without a profile (-want +got):\n%s", diff)
	}
	fake := c.Services["fake"]
	if !slices.Equal(fake.Profiles, []string{"fake"}) || fake.Build.Target != "dev" {
		t.Errorf("fake: profiles %q, target %q", fake.Profiles, fake.Build.Target)
	}
	// Anything but loopback in the worker's own network, and the worker would
	// refuse to talk to it.
	if fake.NetworkMode != "service:worker" || !slices.Equal(fake.Command, []string{"fake", "--addr", "127.0.0.1:8990"}) {
		t.Errorf("fake: network_mode %q, command %q", fake.NetworkMode, fake.Command)
	}
	if got := c.Services["dashboard"].Profiles; !slices.Equal(got, []string{"dashboard"}) {
		t.Errorf("dashboard: profiles %q", got)
	}
}

// That it starts like this, and not without users, is shown in cmd/ecpayq.
func TestComposeDashboardHasUsersAndNoKeysAndIsPublishedOnThisMachineOnly(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	d := c.Services["dashboard"]
	want := service{
		Image: "ecpayq", Build: c.Services["worker"].Build, Command: []string{"dashboard"}, Profiles: []string{"dashboard"},
		Environment: map[string]string{
			"ECPAYQ_REDIS_URL": "redis://redis:6379/0", "ECPAYQ_CONFIG": "/run/secrets/dashboard", "ECPAYQ_DASHBOARD_ADDR": "0.0.0.0:8980",
		},
		Secrets: []string{"dashboard"}, Ports: []string{"127.0.0.1:8980:8980"}, Networks: []string{"queue", "default"},
		DependsOn: map[string]struct{ Condition string }{"redis": {"service_healthy"}},
		Healthcheck: healthcheck{
			Test:     []string{"CMD", "/ecpayq", "healthcheck", "--admin-addr", "127.0.0.1:8980"},
			Interval: 10 * time.Second, Timeout: 5 * time.Second, Retries: 3, StartPeriod: 30 * time.Second,
		},
		ReadOnly: true, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges:true"}, Restart: "unless-stopped",
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("dashboard (-want +got):\n%s", diff)
	}
}

// That it does not start like this without tokens is shown in cmd/ecpayq.
func TestComposeAPIHasTokensAndNoKeysAndIsPublishedOnThisMachineOnly(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	want := c.Services["dashboard"]
	want.Command, want.Profiles, want.Secrets, want.Ports = []string{"api"}, []string{"api"}, []string{"api"}, []string{"127.0.0.1:8970:8970"}
	want.Environment = map[string]string{
		"ECPAYQ_REDIS_URL": "redis://redis:6379/0", "ECPAYQ_CONFIG": "/run/secrets/api", "ECPAYQ_API_ADDR": "0.0.0.0:8970",
	}
	want.Healthcheck.Test = []string{"CMD", "/ecpayq", "healthcheck", "--admin-addr", "127.0.0.1:8970"}
	want.Tmpfs, want.StopGracePeriod = []string{"/tmp:mode=1777,size=256m"}, c.Services["api"].StopGracePeriod
	if diff := cmp.Diff(want, c.Services["api"]); diff != "" {
		t.Errorf("api (-want +got):\n%s", diff)
	}
}

func TestComposeMonitoringIsAskedForAndSeesNeitherRedisNorKeys(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for _, name := range []string{"prometheus", "grafana"} {
		s := c.Services[name]
		if !slices.Equal(s.Profiles, []string{"monitoring"}) || !slices.Equal(s.Networks, []string{"default"}) || len(s.Secrets) != 0 {
			t.Errorf("%s: profiles %q, networks %q, secrets %q", name, s.Profiles, s.Networks, s.Secrets)
		}
		if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
			t.Errorf("%s: image %q names no version", name, s.Image)
		}
	}
	// Prometheus asks where the worker listens, and the worker is not published.
	worker := c.Services["worker"]
	_, port, _ := strings.Cut(worker.Environment["ECPAYQ_ADMIN_ADDR"], ":")
	if !strings.Contains(read(t, "prometheus/prometheus.yml"), "port: "+port+"\n") {
		t.Errorf("Prometheus does not ask port %s", port)
	}
	if len(worker.Ports) != 0 || !slices.Contains(worker.Networks, "default") {
		t.Errorf("worker: ports %q, networks %q", worker.Ports, worker.Networks)
	}
}

func TestComposeServicesAreConfined(t *testing.T) {
	t.Parallel()
	for name, s := range readCompose(t).Services {
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s beyond this machine", name, port)
			}
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges", name)
		}
		if name == "redis" {
			continue // its image starts as root, to own its volume, and steps down
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: read_only %t, cap_drop %q", name, s.ReadOnly, s.CapDrop)
		}
	}
}

// readUnit returns the values of each key, and the lines that confine the process.
func readUnit(t *testing.T, name string) (unit map[string][]string, sandbox string) {
	t.Helper()
	text := read(t, "systemd/"+name)
	unit = map[string][]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			unit[key] = append(unit[key], value)
		}
	}
	_, sandbox, _ = strings.Cut(text, "\nLimitCORE=0\n")
	return unit, sandbox
}

func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	worker, sandbox := readUnit(t, "ecpayq-worker.service")
	dashboard, same := readUnit(t, "ecpayq-dashboard.service")
	httpAPI, alike := readUnit(t, "ecpayq-api.service")
	for _, row := range []struct {
		name      string
		unit      map[string][]string
		key, want string
	}{
		{"worker", worker, "ExecStart", "/usr/local/bin/ecpayq worker"},
		{"worker", worker, "ExecReload", "/bin/kill -HUP $MAINPID"},
		{"worker", worker, "LoadCredential", "hash_key:/etc/ecpayq/hash_key hash_iv:/etc/ecpayq/hash_iv"},
		{"worker", worker, "Environment", "ECPAYQ_HASH_KEY_FILE=%d/hash_key ECPAYQ_HASH_IV_FILE=%d/hash_iv"},
		{"dashboard", dashboard, "ExecStart", "/usr/local/bin/ecpayq dashboard"}, // on loopback
		{"dashboard", dashboard, "EnvironmentFile", "-/etc/ecpayq/ecpayq.env"},
		{"dashboard", dashboard, "LoadCredential", ""},
		{"dashboard", dashboard, "Environment", ""},
		{"api", httpAPI, "ExecStart", "/usr/local/bin/ecpayq api"}, // on loopback
		{"api", httpAPI, "ExecReload", "/bin/kill -HUP $MAINPID"},
		{"api", httpAPI, "LoadCredential", ""},
	} {
		if got := strings.Join(row.unit[row.key], " "); got != row.want {
			t.Errorf("%s: %s is %q, want %q", row.name, row.key, got, row.want)
		}
	}
	for name, unit := range map[string]map[string][]string{"worker": worker, "dashboard": dashboard, "api": httpAPI} {
		for key, want := range map[string]string{"KillSignal": "SIGTERM", "DynamicUser": "yes", "NoNewPrivileges": "yes", "LimitCORE": "0"} {
			if got := unit[key]; !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %s is %q, want %q", name, key, got, want)
			}
		}
	}
	if diff := cmp.Diff(sandbox, same); diff != "" || len(sandbox) < 500 {
		t.Errorf("the sandboxes of worker and dashboard differ (-worker +dashboard):\n%s", diff)
	}
	if diff := cmp.Diff(sandbox, alike); diff != "" {
		t.Errorf("the sandboxes of worker and api differ (-worker +api):\n%s", diff)
	}
	stop := worker["TimeoutStopSec"]
	if len(stop) != 1 {
		t.Fatalf("TimeoutStopSec: %q", stop)
	}
	if n, err := strconv.Atoi(stop[0]); err != nil || time.Duration(n)*time.Second < minGrace {
		t.Errorf("TimeoutStopSec is %s, want at least %s", stop[0], minGrace)
	}
}

func TestMakeHelpNamesEveryTarget(t *testing.T) {
	t.Parallel()
	makefile := read(t, "../Makefile")
	targets := regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(makefile, -1)
	if len(targets) < 6 {
		t.Fatalf("found only %d targets", len(targets))
	}
	for _, target := range targets {
		if !regexp.MustCompile(`(?m)^` + target[1] + `:.*## \S`).MatchString(makefile) {
			t.Errorf("target %s has no line for make help", target[1])
		}
		if !strings.Contains(makefile, ".PHONY: "+target[1]+"\n") {
			t.Errorf("target %s is not phony", target[1])
		}
	}
}
