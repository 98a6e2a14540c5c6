package redishealth

import (
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// The reasons.
const (
	Full           Reason = "oom"
	ReadOnly       Reason = "read_only"
	DiskFailing    Reason = "misconf"
	FewReplicas    Reason = "no_replicas"
	Busy           Reason = "busy"
	Loading        Reason = "loading"
	MasterDown     Reason = "master_down"
	ClusterDown    Reason = "cluster_down"
	Denied         Reason = "denied"
	WrongPassword  Reason = "wrong_password"
	NoPassword     Reason = "no_password"
	Protected      Reason = "protected_mode"
	IsCluster      Reason = "is_cluster"
	IsNoCluster    Reason = "is_no_cluster"
	IsSentinel     Reason = "is_sentinel"
	IsNoSentinel   Reason = "is_no_sentinel"
	SentinelName   Reason = "sentinel_name"
	URLEncoding    Reason = "url_encoding"
	NoDatabase     Reason = "no_database"
	Unsupported    Reason = "unsupported"
	TooManyClients Reason = "too_many_clients"
	PoolUsed       Reason = "pool_exhausted"
	TooManyFiles   Reason = "too_many_files"
	Certificate    Reason = "certificate"
	IsPlain        Reason = "is_plain"
	IsTLS          Reason = "is_tls"
	NameUnknown    Reason = "dns"
	Refused        Reason = "refused"
	NoSocket       Reason = "no_socket"
	Timeout        Reason = "timeout"
	BrokenOff      Reason = "broken_off"
	OtherTrouble   Reason = "other"
)

// Reasons returns every reason, in the order of the table.
func Reasons() []Reason {
	all := make([]Reason, len(table))
	for i, r := range table {
		all[i] = r.reason
	}
	return all
}

// Passes reports whether Redis may leave this state without a change of what ecpayq is
// told, so that it makes sense to wait.
func (r Reason) Passes() bool {
	switch r {
	case Full, ReadOnly, DiskFailing, FewReplicas, Busy, Loading, MasterDown,
		ClusterDown, TooManyClients, PoolUsed, Timeout, BrokenOff, OtherTrouble:
		return true
	}
	return false
}

// row is one reason: how errors of it are known, and what to do. "…" in a hint stands
// for what was refused.
type row struct {
	reason           Reason
	is               func(error) bool
	english, chinese string
}

// table is searched from its top, so that what an error says of itself goes before
// how it arrived.
var table = []row{
	{
		Full, begins("OOM"),
		"Redis has reached maxmemory and refuses what adds to it: raise maxmemory (CONFIG SET maxmemory, and in its " +
			"configuration); deploy/RUNBOOK.md has EcpayqRedisMemoryHigh",
		"Redis 已達 maxmemory 上限，拒絕新增資料：請調高 maxmemory（CONFIG SET maxmemory，並寫入設定檔）；參見 deploy/RUNBOOK.md 的 EcpayqRedisMemoryHigh",
	},
	{
		ReadOnly, begins("READONLY"),
		"this server is a replica and takes no writes: let ECPAYQ_REDIS_URL lead to the master, or to Sentinels by " +
			"redis-sentinel://, which finds it; during a failover wait",
		"這台 Redis 是複本，不接受寫入：請讓 ECPAYQ_REDIS_URL 指向主節點，或以 redis-sentinel:// 指向 Sentinel 由其找出主節點；若正在切換，請稍候",
	},
	{
		DiskFailing, begins("MISCONF"),
		"Redis could not write to its disk and refuses writes until it can: make room on its disk and look into its log",
		"Redis 無法寫入磁碟，在恢復之前拒絕寫入：請清出磁碟空間並查看 Redis 的日誌",
	},
	{
		FewReplicas, begins("NOREPLICAS"),
		"fewer replicas are connected than min-replicas-to-write asks for, so Redis refuses writes: bring the replicas back, or lower it",
		"已連線的複本少於 min-replicas-to-write，Redis 因此拒絕寫入：請恢復複本，或調低該設定",
	},
	{
		Busy, begins("BUSY"),
		"Redis is busy with somebody's script and answers nobody: wait, or end it with SCRIPT KILL; ecpayq's own scripts take milliseconds",
		"Redis 正忙於執行指令稿，不回應任何人：請稍候，或以 SCRIPT KILL 中止；ecpayq 自己的指令稿只需數毫秒",
	},
	{
		Loading, begins("LOADING"),
		"Redis has just started and is reading its data: wait until it has; a worker that starts waits up to ECPAYQ_REDIS_LOADING_TIMEOUT",
		"Redis 剛啟動，正在載入資料：請待其完成；啟動中的 worker 最多等候 ECPAYQ_REDIS_LOADING_TIMEOUT",
	},
	{
		MasterDown, begins("MASTERDOWN"),
		"this server is a replica whose master is away: wait for the failover, or let ECPAYQ_REDIS_URL lead to the master",
		"這台 Redis 是複本，且其主節點無法連線：請等候切換，或讓 ECPAYQ_REDIS_URL 指向主節點",
	},
	{
		ClusterDown, begins("CLUSTERDOWN", "TRYAGAIN"),
		"a part of the Redis Cluster is away or being moved: redis-cli CLUSTER INFO says more",
		"Redis Cluster 有部分節點無法使用或正在搬移：請以 redis-cli CLUSTER INFO 查看",
	},
	{
		Denied, either(begins("NOPERM"), answers("ACL failure in script", "The user executing the script can't")),
		"the Redis user may not use …: give it the rules that README.md has for the user ecpayq (ACL SETUSER)",
		"此 Redis 使用者無權使用 …：請以 ACL SETUSER 套用 README.zh-TW.md 中使用者 ecpayq 的規則",
	},
	{
		Protected, begins("DENIED"),
		"Redis is in protected mode and talks to its own machine only: give its users a password, or bind it to an " +
			"address that only your machines reach",
		"Redis 處於保護模式，只接受本機連線：請設定密碼，或只綁定您的主機才能連到的位址",
	},
	{
		WrongPassword, either(begins("WRONGPASS"), answers("invalid password", "without any password configured", "no password is set")),
		"check ECPAYQ_REDIS_URL: user or password are wrong (for Sentinels sentinel_username and sentinel_password), " +
			"and in a URL a password is percent-encoded: % is %25, / is %2F, # is %23",
		"ECPAYQ_REDIS_URL 的使用者或密碼錯誤（Sentinel 則為 sentinel_username 與 sentinel_password）；密碼在 URL 中須以百分號編碼：% 寫成 %25、/ 寫成 %2F、# 寫成 %23",
	},
	{
		NoPassword, either(begins("NOAUTH"), answers("unauthenticated multibulk length", "unauthenticated bulk length")),
		"check ECPAYQ_REDIS_URL: Redis asks for a password, redis://USER:PASSWORD@HOST:PORT/0, or better " +
			"ECPAYQ_REDIS_URL_FILE; for Sentinels sentinel_password",
		"Redis 要求密碼：ECPAYQ_REDIS_URL=redis://使用者:密碼@主機:連接埠/0，或改用 ECPAYQ_REDIS_URL_FILE；Sentinel 則為 sentinel_password",
	},
	{
		IsCluster, either(begins("MOVED", "ASK", "CROSSSLOT"), answers("not allowed in cluster mode")),
		"this server is a node of a Redis Cluster: use redis-cluster:// (rediss-cluster:// with TLS)",
		"這台 Redis 是 Redis Cluster 的節點：請使用 redis-cluster://（TLS 為 rediss-cluster://）",
	},
	{
		IsNoCluster, answers("cluster support disabled"),
		"this server is no node of a Redis Cluster: use redis:// (rediss:// with TLS)",
		"這台 Redis 不是 Redis Cluster 的節點：請使用 redis://（TLS 為 rediss://）",
	},
	{
		SentinelName, both(says("all sentinels specified"), isErr(redis.Nil)),
		"the Sentinels know no master of this name: add ?master=NAME to ECPAYQ_REDIS_URL as sentinel monitor has it (default mymaster)",
		"Sentinel 沒有這個名稱的主節點：請在 ECPAYQ_REDIS_URL 加上 ?master=名稱，與 sentinel monitor 的設定相同（預設 mymaster）",
	},
	{
		IsNoSentinel, both(says("all sentinels specified"), answers("unknown command")),
		"these addresses are of Redis itself, not of Sentinels: give those of the Sentinels (port 26379), or use redis://",
		"這些位址是 Redis 本身而非 Sentinel：請改為 Sentinel 的位址（連接埠 26379），或使用 redis://",
	},
	{
		IsSentinel, func(error) bool { return false }, // Diagnose finds it
		"this is the port of a Sentinel: use redis-sentinel://HOST:PORT/0?master=NAME",
		"這是 Sentinel 的連接埠：請使用 redis-sentinel://主機:連接埠/0?master=名稱",
	},
	{
		URLEncoding, isErr(redisx.ErrURLEncoding),
		"in ECPAYQ_REDIS_URL write every character of user and password but letters, digits and -._~ percent-encoded: " +
			"% is %25, / is %2F, # is %23, ? is %3F, @ is %40, a space is %20",
		"ECPAYQ_REDIS_URL 的使用者與密碼中，除英文字母、數字與 -._~ 以外的字元都須以百分號編碼：% 寫成 %25、/ 寫成 %2F、# 寫成 %23、? 寫成 %3F、@ 寫成 %40、空格寫成 %20",
	},
	{
		NoDatabase, answers("DB index is out of range", "invalid DB index"),
		"Redis has no database of this number: mend the end of ECPAYQ_REDIS_URL (/0), or raise databases of Redis",
		"Redis 沒有這個編號的資料庫：請修正 ECPAYQ_REDIS_URL 結尾的編號（/0），或調高 Redis 的 databases",
	},
	{
		Unsupported, answers("unknown command", "unknown subcommand"),
		"this server does not know a command that ecpayq needs: it is no Redis 6.2 or newer, a proxy, or has the " +
			"command renamed; a Sentinel is used by redis-sentinel://",
		"這台伺服器不支援 ecpayq 所需的指令：可能不是 Redis 6.2 以上、是代理程式，或該指令已改名；Sentinel 請用 redis-sentinel://",
	},
	{
		TooManyClients, answers("max number of clients"),
		"Redis has as many connections as maxclients allows: raise maxclients, or end programs that hold many; a worker opens up to about 130",
		"Redis 的連線數已達 maxclients：請調高 maxclients，或結束占用大量連線的程式；一個 worker 最多約 130 條",
	},
	{
		PoolUsed, isErr(redis.ErrPoolTimeout, redis.ErrPoolExhausted),
		"all connections of this process to Redis are in use: Redis is slow, or the process is overloaded",
		"本程序對 Redis 的連線都在使用中：Redis 太慢，或程序負載過高",
	},
	{
		TooManyFiles, isErr(syscall.EMFILE, syscall.ENFILE),
		"this process may open no more files and connections: raise its limit (ulimit -n, LimitNOFILE)",
		"本程序可開啟的檔案與連線數已達上限：請調高（ulimit -n、LimitNOFILE）",
	},
	{
		Certificate, either(badCertificate, says("x509: ", "tls: certificate required", "tls: bad certificate")),
		"Redis' certificate is not trusted, is for another name, or Redis wants one of ecpayq (tls-auth-clients no): " +
			"name the authority by ?ca_file=/path/ca.pem, and the host as in the certificate",
		"Redis 的憑證不受信任、主機名稱不符，或 Redis 要求 ecpayq 出示憑證（請設 tls-auth-clients no）：請以 ?ca_file=/路徑/ca.pem 指定憑證機構，主機名稱須與憑證相同",
	},
	{
		IsPlain, badRecord,
		"this port does not speak TLS: use redis:// instead of rediss://, or the port of tls-port",
		"這個連接埠不使用 TLS：請將 rediss:// 改為 redis://，或改用 tls-port 的連接埠",
	},
	{
		IsTLS, func(error) bool { return false }, // Diagnose finds it
		"this port speaks TLS: use rediss:// instead of redis:// (rediss-sentinel://, rediss-cluster://)",
		"這個連接埠使用 TLS：請將 redis:// 改為 rediss://（rediss-sentinel://、rediss-cluster://）",
	},
	{
		NameUnknown, noName,
		"check ECPAYQ_REDIS_URL, or the DNS of this machine: its host name cannot be resolved",
		"無法解析 ECPAYQ_REDIS_URL 的主機名稱：請修正名稱，或檢查本機的 DNS",
	},
	{
		Refused, isErr(syscall.ECONNREFUSED),
		"check ECPAYQ_REDIS_URL and that Redis is running: nothing listens at this host and port",
		"ECPAYQ_REDIS_URL 的位址沒有程式接受連線：Redis 是否執行中，主機與連接埠是否正確",
	},
	{
		NoSocket, both(onTheWay, isErr(syscall.ENOENT, syscall.EACCES, syscall.EPERM)),
		"the socket of ECPAYQ_REDIS_URL is not there or this user may not use it: compare unixsocket and unixsocketperm of Redis",
		"ECPAYQ_REDIS_URL 的 socket 不存在，或此使用者無權使用：請對照 Redis 的 unixsocket 與 unixsocketperm",
	},
	{
		Timeout, timedOut,
		"check ECPAYQ_REDIS_URL and how Redis is: it did not answer in time, since it is overloaded or stopped, or a firewall drops the packets",
		"Redis 未在時限內回應：可能過載、停住，或封包遭防火牆丟棄；請檢查 ECPAYQ_REDIS_URL 的主機與連接埠",
	},
	{
		BrokenOff, brokenOff,
		"the connection was ended: Redis is restarting, has reached maxclients, wants TLS (rediss://), or something between ended it",
		"連線遭中斷：Redis 可能正在重新啟動、連線數已達 maxclients、要求 TLS（rediss://），或被中間的設備中斷",
	},
	{
		OtherTrouble, either(onTheWay, says("all sentinels specified")),
		"check ECPAYQ_REDIS_URL, that Redis is running, and its log",
		"請檢查 ECPAYQ_REDIS_URL、Redis 是否執行中，以及 Redis 的日誌",
	},
}

// HintFor says what to do about an error of Redis or of the way to it; nothing about others.
func HintFor(err error) record.Text { return ReasonOf(err).hint(err) }

// General is the hint where nothing better is known.
func General() record.Text { return OtherTrouble.hint(nil) }

func (r Reason) hint(err error) record.Text {
	for _, one := range table {
		if one.reason != r {
			continue
		}
		english, chinese := "a command or key that it needs (ecpayq doctor names it)", "所需的某個指令或鍵（ecpayq doctor 會指出）"
		switch what := refused(err); {
		case what != "":
			english, chinese = what, what
		case err != nil && keysRefused(err):
			english, chinese = "keys that begin with asynq: or ecpayq:", "以 asynq: 或 ecpayq: 開頭的鍵"
		}
		return record.Text{En: strings.Replace(one.english, "…", english, 1), Zh: strings.Replace(one.chinese, "…", chinese, 1)}
	}
	return record.Text{}
}
