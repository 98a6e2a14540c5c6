package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

func (p *program) keysCommand() *cli.Command {
	flags := func() []cli.Flag {
		return append(p.cfg.Flags(config.Reader), p.cfg.FlagOf("ECPAYQ_PAYLOAD_KEY_FILE"), jsonFlag())
	}
	return &cli.Command{
		Name: "keys", Usage: "the keys that seal data of buyers in Redis: which are needed, and a new one",
		Commands: []*cli.Command{
			{
				Name: "status", Usage: "count what is stored with each key, and say which lines of the file can go", Flags: flags(),
				Description: "Every key of Redis is looked at, a few at a time.",
				Action:      func(ctx context.Context, c *cli.Command) error { return p.keysStatus(ctx, c) },
			},
			{
				Name: "rotate", Usage: "put a new key at the top of the file, which is made where it is not there",
				Description: "It seals from then on in every process that has read the file again: send SIGHUP to workers first, then to the\n" +
					"API, the dashboard and the relay. A worker that does not have it yet holds what it seals. No key is shown.",
				Flags:  []cli.Flag{p.cfg.FlagOf("ECPAYQ_PAYLOAD_KEY_FILE"), jsonFlag()},
				Action: func(_ context.Context, c *cli.Command) error { return p.keysRotate(c) },
			},
			{
				Name: "reseal", Usage: "seal what is stored with the first key, when every process has it, so that older keys can go", Flags: flags(),
				Description: "Tasks that wait or have ended and dead letters are sealed anew, each at once and only as it was read; what a\n" +
					"worker runs is left for the next time. Running it again is safe.",
				Action: func(ctx context.Context, c *cli.Command) error { return p.keysReseal(ctx, c) },
			},
		},
	}
}

// earlierSealed says of a duplicate that nobody can tell here whether it asks for the same.
func earlierSealed(r enqueue.Receipt) string {
	return "the earlier task, which stands, is " + (&seal.KeyError{Key: r.SealedBy}).Error() + ": whether it asks for the same is not known"
}

// takePayloadKeys reads the file of payload keys again for a process that runs. With an error, the keys
// from before stay.
func (p *program) takePayloadKeys(ring *seal.Ring) error {
	if len(ring.IDs()) == 0 {
		return nil // none was named, and none can be by now
	}
	again, err := p.cfg.PayloadKeys()
	if err == nil {
		ring.Take(again)
	}
	return err
}

// reloadPayloadKeys is takePayloadKeys for a process that has nothing else to read with them.
func (p *program) reloadPayloadKeys(ring *seal.Ring, log zerolog.Logger) {
	if err := p.takePayloadKeys(ring); err != nil {
		log.Error().Err(err).Msg("payload keys not read again; those from before stay")
	}
}

func (p *program) keysRotate(c *cli.Command) error {
	if err := noArgs(c); err != nil {
		return err
	}
	keys, created, err := p.cfg.AddPayloadKey()
	if err != nil {
		return err
	}
	if p.wantsTable(c) {
		p.printTable(nil, []table.Row{{"file", p.cfg.PayloadKeyFile}, {"new key", keys.IDs()[0]}, {"keys", len(keys.IDs())}})
	} else if err := p.printJSON(map[string]any{
		"file": p.cfg.PayloadKeyFile, "key": keys.IDs()[0], "keys": keys.IDs(), "created": created,
	}); err != nil {
		return err
	}
	if created {
		p.say("keep a copy of the file where Redis is not: without it nothing opens / 請將檔案另存於 Redis 以外之處，遺失後無法開啟內容")
		p.say("name it by ECPAYQ_PAYLOAD_KEY_FILE for workers, producers, the API and the dashboard, and start them / " +
			"以 ECPAYQ_PAYLOAD_KEY_FILE 指定給 worker、送件程式、API 與管理頁面並啟動")
		return nil
	}
	p.say("1. SIGHUP to every worker, then to API, dashboard and relay / 先對每個 worker，再對 API、管理頁面與 relay 送出 SIGHUP")
	p.say("2. ecpayq keys reseal, then ecpayq keys status says which lines can go / 執行 ecpayq keys reseal，再以 ecpayq keys status 查看可刪除的行")
	return nil
}

// keyUse is how much is stored with a key, or readable.
type keyUse struct {
	// Key is empty for what is readable.
	Key       string `json:"key,omitempty"`
	Plaintext bool   `json:"plaintext,omitempty"`
	// Line is that of the file, 0 where the file does not have the key.
	Line    int  `json:"line,omitempty"`
	Seals   bool `json:"seals,omitempty"`
	Tasks   int  `json:"tasks"`
	Letters int  `json:"dead_letters"`
	// MayGo means that nothing stored needs the line; Missing that something does, and there is none.
	MayGo   bool `json:"may_go"`
	Missing bool `json:"missing,omitempty"`
}

func (u keyUse) say() lines {
	switch {
	case u.Plaintext:
		return lines{"stored readable; keys reseal seals it", "以明文儲存；可用 keys reseal 封存"}
	case u.Missing:
		return lines{"NOT in the file: this does not open", "檔案中沒有這把金鑰，內容無法開啟"}
	case u.Seals:
		return lines{"seals; keep it", "封存用，請保留"}
	case u.MayGo:
		return lines{fmt.Sprintf("nothing needs line %d: it can go", u.Line), fmt.Sprintf("第 %d 行已無內容使用，可以刪除", u.Line)}
	default:
		return lines{"still needed; keys reseal", "仍有內容使用；可執行 keys reseal"}
	}
}

// withPayloads runs f with the file's keys over all payloads that are stored.
func (p *program) withPayloads(
	ctx context.Context, c *cli.Command, what string, f func(*deadletter.Ledger, *seal.Ring, func(int)) error,
) error {
	if err := noArgs(c); err != nil {
		return err
	}
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return err
	}
	return p.withRedis(func(rdb redis.UniversalClient) error {
		total, err := rdb.DBSize(ctx).Result()
		if err != nil {
			return fmt.Errorf("count keys of Redis: %w", err)
		}
		bar := p.startBar(what, int(total))
		defer bar.stop()
		return f(deadletter.New(deadletter.Config{Redis: rdb, PayloadKeys: keys}), keys, func(n int) { bar.add(int64(n)) })
	})
}

func (p *program) keysStatus(ctx context.Context, c *cli.Command) error {
	var uses []keyUse
	err := p.withPayloads(ctx, c, "keys", func(l *deadletter.Ledger, keys *seal.Ring, looked func(int)) (err error) {
		uses, err = usesOf(ctx, l, keys, looked)
		return err
	})
	if err != nil {
		return err
	}
	var rows []table.Row
	missing := false
	for _, u := range uses {
		missing = missing || u.Missing
		if !p.wantsTable(c) {
			if err := p.printJSON(u); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, table.Row{u.Key, code(int64(u.Line)), u.Tasks, u.Letters, u.say()})
	}
	switch {
	case len(uses) == 0:
		p.say("there is no key, and nothing is sealed / 沒有金鑰，也沒有封存的內容")
	case rows != nil:
		p.printTable(table.Row{"key", "line", "tasks", "dead letters", "what it means / 說明"}, rows)
	}
	if missing {
		return hinted("put the line with that key back into ECPAYQ_PAYLOAD_KEY_FILE, below the first; tasks are held until then",
			"something is sealed with a key that is not in the file")
	}
	return nil
}

// usesOf are those of the keys of the file in their order, then what is sealed with others, then what
// is readable.
func usesOf(ctx context.Context, l *deadletter.Ledger, keys *seal.Ring, looked func(int)) ([]keyUse, error) {
	var uses []keyUse
	at := map[string]int{}
	add := func(u keyUse) {
		at[u.Key] = len(uses)
		uses = append(uses, u)
	}
	for i, id := range keys.IDs() {
		add(keyUse{Key: id, Line: keys.Line(id), Seals: i == 0, MayGo: i > 0})
	}
	readable := keyUse{Plaintext: true}
	seen := map[[2]string]bool{} // of a letter, which may have several payloads
	for stored, err := range l.Payloads(ctx, looked) {
		if err != nil {
			return nil, err
		}
		if _, known := at[stored.Key]; !known && stored.Key != "" {
			add(keyUse{Key: stored.Key, Missing: true})
		}
		u := &readable
		if stored.Key != "" {
			u = &uses[at[stored.Key]]
		}
		u.MayGo = false
		if one := [2]string{stored.Key, stored.ID}; !stored.Letter {
			u.Tasks++
		} else if !seen[one] {
			clear(seen) // the payloads of a letter come one after the other
			seen[one] = true
			u.Letters++
		}
	}
	if readable.Tasks+readable.Letters > 0 {
		uses = append(uses, readable)
	}
	return uses, nil
}

// resealed is what keys reseal did.
type resealed struct {
	Sealed int `json:"sealed"`
	// Left is what a worker runs, or was changed meanwhile; Closed is what cannot be opened.
	Left   int `json:"left"`
	Closed int `json:"cannot_open"`
}

func (p *program) keysReseal(ctx context.Context, c *cli.Command) error {
	var did resealed
	err := p.withPayloads(ctx, c, "reseal", func(l *deadletter.Ledger, keys *seal.Ring, looked func(int)) error {
		if len(keys.IDs()) == 0 {
			return usageError{errors.New("there is no key: name the file by ECPAYQ_PAYLOAD_KEY_FILE; ecpayq keys rotate makes one")}
		}
		for stored, err := range l.Payloads(ctx, looked) {
			if err != nil {
				return err
			}
			if stored.Key == keys.IDs()[0] {
				continue
			}
			switch done, err := l.Reseal(ctx, stored); {
			case deadletter.IsUnsealable(err):
				did.Closed++
				p.say("%s: %s", stored.ID, err)
			case err != nil:
				return err
			case done:
				did.Sealed++
			default:
				did.Left++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.wantsTable(c) {
		p.say("sealed anew %d, left for the next time %d, cannot be opened %d / 重新封存 %d，留待下次 %d，無法開啟 %d",
			did.Sealed, did.Left, did.Closed, did.Sealed, did.Left, did.Closed)
	} else if err := p.printJSON(did); err != nil {
		return err
	}
	if did.Closed > 0 {
		return errSilent
	}
	return nil
}
