package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// checkECPay asks for the front page: any answer shows that ECPay is reachable,
// and no operation is touched.
func (p *program) checkECPay(ctx context.Context) []finding {
	base, err := p.cfg.BaseURL()
	if err != nil {
		return []finding{failed("ecpay", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, base.String(), nil)
	if err != nil {
		return []finding{{Check: "ecpay", Status: statusFailed, Detail: err.Error()}}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return []finding{found("ecpay", statusFailed, base.Host+" is not reachable from here: "+err.Error(),
			record.Text{En: "allow outgoing HTTPS to this host by name; its addresses change", Zh: "請依主機名稱允許對外 HTTPS；其位址會變動"})}
	}
	defer resp.Body.Close()
	report := []finding{{Check: "ecpay", Status: statusOK, Detail: base.Host + " is reachable"}}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		report = append(report, clockFinding("clock against ecpay", time.Until(date.Add(500*time.Millisecond)).Round(time.Second)))
	}
	return report
}

const (
	// askTimeout bounds all questions together, and turnWait how long the turn of one is
	// waited for.
	askTimeout = 20 * time.Second
	turnWait   = 5 * time.Second
	// askedAtOnce is how many merchants are asked at the same time.
	askedAtOnce = 4
)

// askMerchants asks for each merchant a question that changes nothing and that only
// works with the right keys and an enabled service. offline means that it would be of no
// use.
func (p *program) askMerchants(
	ctx context.Context, rdb redis.UniversalClient,
	dir *config.Directory, standing map[string]merchants.Merchant, offline bool,
) []finding {
	const check = "keys at ecpay"
	if offline {
		return []finding{{Check: check, Status: statusWarning, Detail: "not asked: ECPay is not reachable, or would refuse our clock"}}
	}
	var questions *gate.Questions
	if rdb != nil {
		questions = gate.NewQuestions(rdb)
	}
	if _, err := p.cfg.BaseURL(); err != nil {
		return nil // said before
	}
	a, err := p.newAsker("doctor", turnWait, dir, questions)
	if err != nil {
		return []finding{{Check: check, Status: statusFailed, Detail: err.Error()}}
	}
	defer a.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	merchants := dir.All()
	answers := make([]finding, len(merchants))
	slots := make(chan struct{}, askedAtOnce)
	var all sync.WaitGroup
	for i, m := range merchants {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			answers[i] = a.merchant(ctx, m, standing[m.ID()].Ban)
		})
	}
	all.Wait()
	return summed(check, answers)
}

// summed shows of the merchants whose keys work only how many there are.
func summed(check string, answers []finding) []finding {
	var trouble []finding
	works := 0
	for _, f := range answers {
		if f.Status == statusOK {
			works++
		} else {
			trouble = append(trouble, f)
		}
	}
	status, detail := statusOK, fmt.Sprintf("they work for %d of %d merchant(s)", works, len(answers))
	if works < len(answers) {
		status = statusWarning // each of the others has its own finding
	} else if len(answers) == 1 {
		detail = answers[0].Detail
	}
	return append([]finding{{Check: check, Status: status, Detail: detail}}, trouble...)
}

// nothing is what cannot exist: a random RelateNumber, and an invoice of a day on which
// ECPay issued none.
func nothing(merchantID string) []ecpay.Request {
	return []ecpay.Request{
		&ecpay.B2CGetIssueRequest{MerchantID: merchantID, RelateNumber: "ecpayqdoctor" + rand.Text()},
		&ecpay.B2BGetIssueRequest{InvoiceKey: ecpay.InvoiceKey{MerchantID: merchantID, InvoiceNumber: "AA00000000", InvoiceDate: "2000-01-01"}},
	}
}

// transDisabled is ECPay's TransCode for a service that is not enabled.
const transDisabled = 115

// merchant asks by GetIssue of B2C, and by that of B2B where B2C is not enabled.
func (a *asker) merchant(ctx context.Context, m worker.Merchant, ban *merchants.Ban) finding {
	check := "merchant " + m.ID()
	notAsked := func(why string) finding {
		return finding{Check: check, Status: statusWarning, Detail: "not asked: " + why}
	}
	if ban != nil && time.Now().Before(ban.Until) {
		return notAsked("ECPay wants no request before " + taipei(&ban.Until) + " (Asia/Taipei)")
	}
	for _, req := range nothing(m.ID()) {
		_, refusal, why := a.once(ctx, m, req)
		if why != "" {
			return notAsked(why)
		}
		service := string(req.Operation().Category)
		switch {
		case refusal == nil, refusal.TransCode == 1 && refusal.RtnCode != 0:
			return finding{Check: check, Status: statusOK, Detail: fmt.Sprintf("merchant %s: ECPay (%s) takes the keys", m.ID(), service)}
		case refusal.TransCode == transDisabled:
			continue
		default:
			return refusedBy(check, refusal)
		}
	}
	return found(check, statusFailed, "ECPay has neither B2C nor B2B enabled for it (TransCode 115)",
		record.Text{En: "ask ECPay to enable the e-invoice service of this merchant, and compare its MerchantID and keys",
			Zh: "請綠界為此特店開通電子發票服務，並核對特店編號與金鑰"})
}

// refusedBy is the finding about an answer that is none to the question.
func refusedBy(check string, answer *ecpay.Error) finding {
	f := finding{Check: check, Status: statusFailed, Detail: answer.Error()}
	switch answer.Kind {
	case ecpay.Denied:
		f.Hint = "ECPay refuses the keys: compare HashKey and HashIV with the merchant back office, and stage or production in ECPAYQ_ECPAY_URL"
		f.HintZH = "綠界拒絕金鑰：請與廠商後台核對 HashKey、HashIV，並確認 ECPAYQ_ECPAY_URL 是測試或正式環境"
	case ecpay.Throttled:
		f.Hint, f.HintZH = "ECPay wants a pause, of 30 minutes as a rule: ask nothing until then", "綠界要求暫停，通常為 30 分鐘：在此之前請勿再呼叫"
	case ecpay.Stale:
		f.Hint, f.HintZH = "ECPay refuses our timestamp: set up NTP", "綠界拒絕我們的時間戳記：請設定 NTP"
	case ecpay.Unavailable:
		f.Hint, f.HintZH = "ECPay did not answer, or its answer cannot be read with these keys: try again later, and compare HashKey and HashIV",
			"綠界沒有回應，或其回應無法以此金鑰解讀：請稍後再試，並核對 HashKey 與 HashIV"
	default:
		f.Status = statusWarning
	}
	return f
}
