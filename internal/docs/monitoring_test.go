package docs_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.yaml.in/yaml/v3"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

const (
	alertsFile     = "deploy/prometheus/alerts.yml"
	alertTestsFile = "deploy/prometheus/alerts_test.yml"
	dashboardFile  = "deploy/grafana/dashboards/ecpayq.json"
	runbookFile    = "deploy/RUNBOOK.md"
)

type alert struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// readYAML refuses what the type does not have: a misspelt key would pass unseen.
func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(read(t, name)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func readAlerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string  `yaml:"name"`
			Rules []alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	readYAML(t, alertsFile, &file)
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 15 {
		t.Fatalf("%s has %d alerts only", alertsFile, len(all))
	}
	return all
}

func names(alerts []alert) []string {
	var list []string
	for _, a := range alerts {
		list = append(list, a.Alert)
	}
	slices.Sort(list)
	return list
}

func TestEveryAlertHasAnEntryOfTheSameNameInTheRunbook(t *testing.T) {
	t.Parallel()
	alerts := readAlerts(t)
	var entries []string
	for _, h := range readPage(t, runbookFile).headings {
		if name, ok := strings.CutPrefix(h, "## Ecpayq"); ok {
			entries = append(entries, "Ecpayq"+name)
		}
	}
	slices.Sort(entries)
	if diff := cmp.Diff(names(alerts), entries); diff != "" {
		t.Errorf("alerts and entries of %s (-want +got):\n%s", runbookFile, diff)
	}
	for _, a := range alerts {
		if got, want := a.Annotations["runbook"], runbookFile+"#"+strings.ToLower(a.Alert); got != want {
			t.Errorf("%s: runbook %q, want %q", a.Alert, got, want)
		}
		if en, zh, ok := strings.Cut(a.Annotations["summary"], " / "); !ok || en == "" || !regexp.MustCompile(`\p{Han}`).MatchString(zh) {
			t.Errorf("%s: summary %q is not in English and Chinese", a.Alert, a.Annotations["summary"])
		}
		if s := a.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q", a.Alert, s)
		}
	}
}

// What the tests say is run by make alerts.
func TestEveryAlertHasATestInWhichItFiresAndOneInWhichItDoesNot(t *testing.T) {
	t.Parallel()
	var file struct {
		RuleFiles []string `yaml:"rule_files"`
		Interval  string   `yaml:"evaluation_interval"`
		Tests     []struct {
			Name     string `yaml:"name"`
			Interval string `yaml:"interval"`
			Input    []struct {
				Series string `yaml:"series"`
				Values string `yaml:"values"`
			} `yaml:"input_series"`
			Checks []struct {
				At    string `yaml:"eval_time"`
				Alert string `yaml:"alertname"`
				Want  []struct {
					Labels      map[string]string `yaml:"exp_labels"`
					Annotations map[string]string `yaml:"exp_annotations"`
				} `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	readYAML(t, alertTestsFile, &file)
	fires, silent := map[string]bool{}, map[string]bool{}
	var series []string
	for _, test := range file.Tests {
		for _, c := range test.Checks {
			if len(c.Want) > 0 {
				fires[c.Alert] = true
			} else {
				silent[c.Alert] = true
			}
		}
		for _, s := range test.Input {
			series = append(series, s.Series)
		}
	}
	for _, name := range names(readAlerts(t)) {
		if !fires[name] || !silent[name] {
			t.Errorf("%s: fires in a test: %v, does not in another: %v", name, fires[name], silent[name])
		}
	}
	known := seriesOf(t)
	for _, s := range series {
		known.check(t, alertTestsFile, s)
	}
}

// known are the values of each label of each metric.
type known map[string]map[string]map[string]bool

func seriesOf(t *testing.T) known {
	t.Helper()
	all := known{"up": {"job": {"ecpayq": true, "ecpayq-api": true, "another": true}}}
	for _, f := range gatherAll(t) {
		labels := map[string]map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if labels[l.GetName()] == nil {
					labels[l.GetName()] = map[string]bool{}
				}
				labels[l.GetName()][l.GetValue()] = true
			}
		}
		if f.GetMetric()[0].GetHistogram() == nil {
			all[f.GetName()] = labels
			continue
		}
		all[f.GetName()+"_count"], all[f.GetName()+"_sum"] = labels, labels
		buckets := map[string]map[string]bool{"le": {"+Inf": true}}
		for name, values := range labels {
			buckets[name] = values
		}
		for _, b := range f.GetMetric()[0].GetHistogram().GetBucket() {
			buckets["le"][fmt.Sprint(b.GetUpperBound())] = true
		}
		all[f.GetName()+"_bucket"] = buckets
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b(ecpayq_\w+|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)(=~|!=|!~|=)["']([^"']*)["']`)
	grouping = regexp.MustCompile(`\b(?:by|without) \(([^)]*)\)`)
)

// check holds every selector of a query to the metrics that there are.
func (k known) check(t *testing.T, where, query string) {
	t.Helper()
	found := selector.FindAllStringSubmatch(query, -1)
	if len(found) == 0 {
		t.Errorf("%s: %s asks for no metric of ours", where, query)
	}
	given := map[string]bool{"instance": true, "job": true} // by the scrape
	for _, m := range found {
		labels, ok := k[m[1]]
		if !ok {
			t.Errorf("%s: %s: there is no metric %s", where, query, m[1])
			continue
		}
		for name := range labels {
			given[name] = true
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			for value := range strings.SplitSeq(l[3], "|") {
				if l[1] != "instance" && !labels[l[1]][value] {
					t.Errorf("%s: %s: %s is never %q", where, query, l[1], value)
				}
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(query, -1) {
		for name := range strings.SplitSeq(g[1], ", ") {
			if !given[name] {
				t.Errorf("%s: %s: there is no label %s", where, query, name)
			}
		}
	}
}

func TestEveryQueryOfAlertsAndTheGrafanaDashboardNamesAMetricThatExists(t *testing.T) {
	t.Parallel()
	known := seriesOf(t)
	for _, a := range readAlerts(t) {
		known.check(t, a.Alert, a.Expr)
	}
	type panel struct {
		Title   string
		Type    string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ Expr, LegendFormat string }
	}
	var board struct {
		UID    string
		Panels []panel
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &board); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			known.check(t, p.Title, target.Expr)
			if strings.ContainsAny(target.Expr, `"\`) { // .ci/alerts reads it by lines
				t.Errorf("panel %q: quote by ' in %s", p.Title, target.Expr)
			}
			for _, m := range selector.FindAllStringSubmatch(target.Expr, -1) {
				for _, suffix := range []string{"_bucket", "_count", "_sum"} {
					m[1] = strings.TrimSuffix(m[1], suffix)
				}
				shown[m[1]] = true
			}
		}
	}
	for name := range metricLabels(t) {
		if !shown[name] && !strings.HasPrefix(name, "ecpayq_merchant_") && name != "ecpayq_dead_letters" {
			t.Errorf("%s is on no panel", name)
		}
	}
}

var metricName = regexp.MustCompile(`\becpayq_[a-z_]+\b`)

func TestTheRunbookNamesNoMetricThatDoesNotExist(t *testing.T) {
	t.Parallel()
	all := metricLabels(t)
	for _, name := range metricName.FindAllString(read(t, runbookFile), -1) {
		if _, ok := all[name]; !ok {
			t.Errorf("there is no metric %s", name)
		}
	}
}

// composeRedis is redis-cli where Redis is: docker-compose.yml publishes no port of it.
const composeRedis = "docker compose exec redis redis-cli "

func TestTheRunbookAsksRedisInItsContainer(t *testing.T) {
	t.Parallel()
	text := read(t, runbookFile)
	if all, inside := strings.Count(text, "redis-cli "), strings.Count(text, composeRedis); all != inside || all < 6 {
		t.Errorf("%d commands of redis-cli, of which %d begin with %s", all, inside, composeRedis)
	}
}

// The commands of EcpayqTasksStranded, as they stand in the runbook.
func TestTheRunbookBringsAStrandedTaskBack(t *testing.T) {
	t.Parallel()
	var commands []string
	for _, b := range readPage(t, runbookFile).blocksOf("sh") {
		for line := range strings.Lines(b.text) {
			if strings.HasPrefix(line, composeRedis) && strings.Contains(line, "asynq:") {
				commands = append(commands, strings.TrimSpace(line))
			}
		}
	}
	if len(commands) != 3 {
		t.Fatalf("found %d commands, want 3: %q", len(commands), commands)
	}
	server := redistest.New(t, redistest.Options{AppendFsync: "no"})
	rdb := server.Client()
	do := func(command string) string {
		t.Helper()
		host, port, _ := strings.Cut(server.Addr(), ":")
		command = strings.Replace(command, composeRedis, "redis-cli -h "+host+" -p "+port+" ", 1)
		out, err := exec.Command("sh", "-c", command).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	ctx := t.Context()
	key := func(name string) string { return asynqx.Key("invalid", name) }
	for _, id := range []string{"stranded", "running", "hollow"} {
		rdb.LPush(ctx, key("active"), id)
	}
	rdb.ZAdd(ctx, key("lease"), redis.Z{Score: 1, Member: "running"})
	rdb.HSet(ctx, asynqx.TaskKey("invalid", "stranded"), "state", "active", "msg", "m")
	rdb.HSet(ctx, asynqx.TaskKey("invalid", "running"), "state", "active", "msg", "m")
	if active, leased := do(commands[0]), do(commands[1]); active != "hollow\nrunning\nstranded" || leased != "running" {
		t.Errorf("active %q, leased %q", active, leased)
	}
	for id, want := range map[string]string{"stranded": "1", "running": "0", "hollow": "0"} {
		if got := do(regexp.MustCompile(`\bID\b`).ReplaceAllString(commands[2], id)); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	pending, active := rdb.LRange(ctx, key("pending"), 0, -1).Val(), rdb.LRange(ctx, key("active"), 0, -1).Val()
	state := rdb.HGet(ctx, asynqx.TaskKey("invalid", "stranded"), "state").Val()
	if diff := cmp.Diff([]string{"stranded"}, pending); diff != "" || state != "pending" || len(active) != 2 {
		t.Errorf("pending %q, active %q, state %s", pending, active, state)
	}
}

func TestThePrometheusAndGrafanaFilesAreWhereTheOtherOneLooks(t *testing.T) {
	t.Parallel()
	var config struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrapes   []struct {
			Job string `yaml:"job_name"`
			DNS []struct {
				Names []string `yaml:"names"`
				Type  string   `yaml:"type"`
				Port  int      `yaml:"port"`
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Scrapes) != 1 || config.Scrapes[0].Job != "ecpayq" || !slices.Equal(config.RuleFiles, []string{filepath.Base(alertsFile)}) {
		t.Errorf("%+v", config)
	}
	var provider struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/grafana/provisioning/dashboards/ecpayq.yml")), &provider); err != nil {
		t.Fatal(err)
	}
	compose := read(t, "docker-compose.yml")
	for _, mount := range []string{
		"./deploy/grafana/dashboards:" + provider.Providers[0].Options.Path + ":ro", "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro",
		"./deploy/prometheus:/etc/prometheus:ro",
	} {
		if !strings.Contains(compose, "- "+mount+"\n") {
			t.Errorf("docker-compose.yml does not mount %s", mount)
		}
	}
}
