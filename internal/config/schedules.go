package config

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the image has no files of time zones

	"go.yaml.in/yaml/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

// replaySchedule is one row under schedules.
type replaySchedule struct {
	Name       string       `yaml:"name"`
	Cron       string       `yaml:"cron"`
	TimeZone   string       `yaml:"time_zone"`
	Kind       kinds        `yaml:"kind"`
	Type       string       `yaml:"type"`
	MerchantID string       `yaml:"merchant_id"`
	OlderThan  yamlDuration `yaml:"older_than"`
	Limit      yamlNumber   `yaml:"limit"`
	// Do is empty for a replay, or reconcile, which has Days and MerchantID alone.
	Do   string      `yaml:"do"`
	Days *yamlNumber `yaml:"days"`
}

// entry checks and returns one.
func (s replaySchedule) entry(zone *time.Location) (schedule.Entry, error) {
	switch {
	case s.Do != "" && s.Do != string(schedule.Reconcile):
		return schedule.Entry{}, fmt.Errorf("schedule %s: do is %q; it must be %s, or be left out to replay", s.Name, s.Do, schedule.Reconcile)
	case s.Do == "" && s.Days != nil:
		return schedule.Entry{}, fmt.Errorf("schedule %s: days is for do: %s", s.Name, schedule.Reconcile)
	case s.Do == "":
		return schedule.New(s.Name, s.Cron, zone, schedule.Filter{
			Kinds: s.Kind, Type: s.Type, MerchantID: s.MerchantID, OlderThan: time.Duration(s.OlderThan), Limit: int(s.Limit),
		})
	case len(s.Kind) > 0 || s.Type != "" || s.OlderThan != 0 || s.Limit != 0:
		return schedule.Entry{}, fmt.Errorf("schedule %s: kind, type, older_than and limit are for replays, not for do: %s", s.Name, s.Do)
	}
	days := 1
	if s.Days != nil {
		days = int(*s.Days)
	}
	return schedule.NewReconcile(s.Name, s.Cron, zone, s.MerchantID, days)
}

// kinds is one kind or a list of them.
type kinds []ecpay.Kind

// UnmarshalYAML implements [yaml.Unmarshaler].
func (k *kinds) UnmarshalYAML(n *yaml.Node) error {
	names := []string{n.Value}
	if n.Kind != yaml.ScalarNode {
		if err := n.Decode(&names); err != nil {
			return err
		}
	}
	for _, name := range names {
		i, err := ecpay.ParseKind(name)
		if err != nil {
			return fmt.Errorf("line %d: a kind must be one of %v", n.Line, ecpay.Kinds()) // Stopped is for no schedule
		}
		*k = append(*k, i)
	}
	return nil
}

// schedules checks and returns them.
func (f file) schedules() ([]schedule.Entry, error) {
	var all []schedule.Entry
	seen := map[string]bool{}
	for _, s := range f.Schedules {
		zone := ecpay.Taipei
		if s.TimeZone != "" && s.TimeZone != zone.String() {
			var err error
			if zone, err = time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" { // machines differ in theirs
				return nil, fmt.Errorf("ECPAYQ_CONFIG: schedule %s: there is no time zone %q; it looks like Asia/Taipei", s.Name, s.TimeZone)
			}
		}
		if _, known := tasks.ByName(s.Type); s.Type != "" && !known && !strings.Contains(s.Type, ":") {
			return nil, fmt.Errorf("ECPAYQ_CONFIG: schedule %s: type is %q; it looks like b2b:invalid", s.Name, s.Type)
		}
		e, err := s.entry(zone)
		if err != nil {
			return nil, fmt.Errorf("ECPAYQ_CONFIG: %w", err)
		}
		if seen[s.Name] {
			return nil, fmt.Errorf("ECPAYQ_CONFIG: schedule %s is there twice", s.Name)
		}
		seen[s.Name] = true
		all = append(all, e)
	}
	return all, nil
}
