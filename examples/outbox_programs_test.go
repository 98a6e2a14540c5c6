//go:build examples

package examples_test

import (
	"os/exec"
	"testing"
)

// An outboxProgram pays orders, one after the other, by the function of an example and on one connection. Its arguments
// are the kind of database, host, port, name and encoding, and then each order and, after a colon, what happens
// to the transaction. It prints what came of each.
type outboxProgram struct {
	name    string
	command func(t *testing.T) []string
	// bridged programs have no driver: they write statements to stdout, and read what came of them from stdin.
	bridged bool
}

var outboxPrograms = []outboxProgram{
	{"PHP", func(*testing.T) []string { return []string{"php", "-r", payInPHP, "--"} }, false},
	{"Python", func(t *testing.T) []string { return []string{pythonWithDrivers(t), "-B", "-c", payInPython} }, false},
	{"Node", func(*testing.T) []string { return []string{"node", "--input-type=module", "-e", payInNode, "--"} }, true},
}

const payInPHP = `require "php/outbox.php";
[, $kind, $host, $port, $name, $encoding] = $argv;
$db = $kind === "postgres"
	? ecpayq_connect("pgsql:host=$host;port=$port;dbname=$name" . ($encoding ? ";options='--client_encoding=$encoding'" : ""),
		"postgres", null)
	: ecpayq_connect("mysql:host=$host;port=$port;dbname=$name;charset=" . ($encoding ?: "utf8mb4"), "root", null);
$kill = $kind === "postgres" ? "SELECT pg_terminate_backend(pg_backend_pid())" : "KILL CONNECTION_ID()";
$do = function (string $text, bool $caught) {
	return function (PDO $db) use ($text, $caught) { try { $db->exec($text); } catch (PDOException $e) { $caught || throw $e; } };
};
foreach (array_slice($argv, 6) as $order) {
	[$tsr, $happens] = explode(":", "$order:");
	$more = ["fails" => $do("INSERT INTO nowhere VALUES (1)", false), "caught" => $do("INSERT INTO nowhere VALUES (1)", true),
		"killed" => $do($kill, false), "lost" => $do($kill, true)][$happens] ?? null;
	$intent = ["type" => "b2b:invalid", "data" => ["MerchantID" => "2000132", "InvoiceNumber" => $tsr, "InvoiceDate" => "2026-11-01",
		"Reason" => "` + voidReason + `"]];
	try { echo ecpayq_paid($db, $tsr, $intent, $more) ? "new\n" : "before\n"; }
	catch (Throwable $e) { fwrite(STDERR, "$tsr: {$e->getMessage()}\n"); echo "failed\n"; }
}`

const payInPython = `import sys
sys.path.insert(0, "python")
import outbox, psycopg2, pymysql
kind, host, port, name, encoding = sys.argv[1:6]
if kind == "postgres":
    db = psycopg2.connect(host=host, port=port, dbname=name, user="postgres", **({"client_encoding": encoding} if encoding else {}))
    kill = "SELECT pg_terminate_backend(pg_backend_pid())"
else:
    db = pymysql.connect(host=host, port=int(port), database=name, user="root", charset=encoding or "utf8mb4")
    kill = "KILL CONNECTION_ID()"
def do(text, caught):
    def more(cursor):
        try:
            cursor.execute(text)
        except Exception:
            if not caught:
                raise
    return more
happenings = {"fails": do("INSERT INTO nowhere VALUES (1)", False), "caught": do("INSERT INTO nowhere VALUES (1)", True),
    "killed": do(kill, False), "lost": do(kill, True)}
for order in sys.argv[6:]:
    tsr, _, happens = order.partition(":")
    intent = {"type": "b2b:invalid", "data": {"MerchantID": "2000132", "InvoiceNumber": tsr, "InvoiceDate": "2026-11-01",
        "Reason": "` + voidReason + `"}}
    try:
        print("new" if outbox.paid(db, tsr, intent, happenings.get(happens)) else "before")
    except Exception as why:
        print(f"{tsr}: {why!r}", file=sys.stderr)
        print("failed")
`

const payInNode = `import { createInterface } from "node:readline";
const { mysql, paid, postgres } = await import(process.cwd() + "/node/outbox.mjs");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function ask(text, values = []) {
	console.log(JSON.stringify({ text, values }));
	const came = JSON.parse((await lines.next()).value);
	if (came.error) throw new Error(came.error);
	return came;
}
const [kind, , , , , ...orders] = process.argv.slice(1);
const db = kind === "postgres" ? postgres({ query: async (text, values) => ({ rowCount: (await ask(text, values)).rows }) }) : mysql({
	beginTransaction: () => ask("START TRANSACTION"), commit: () => ask("COMMIT"), rollback: () => ask("ROLLBACK"),
	query: async (text, values) => {
		const { rows } = await ask(text, values);
		return text.startsWith("SELECT") ? [Array(rows).fill({}), []] : [{ affectedRows: rows }, undefined];
	},
});
const fails = "INSERT INTO nowhere VALUES (1)";
const kill = kind === "postgres" ? "SELECT pg_terminate_backend(pg_backend_pid())" : "KILL CONNECTION_ID()";
const happenings = {
	fails: () => ask(fails), caught: () => ask(fails).catch(() => {}), killed: () => ask(kill), lost: () => ask(kill).catch(() => {}),
};
for (const order of orders) {
	const [tsr, happens] = order.split(":");
	const intent = { type: "b2b:invalid", data: { MerchantID: "2000132", InvoiceNumber: tsr, InvoiceDate: "2026-11-01",
		Reason: "` + voidReason + `" } };
	const said = await paid(db, tsr, intent, happenings[happens]).then((isNew) => isNew ? "new" : "before", (error) => {
		console.error(tsr + ": " + error.message);
		return "failed";
	});
	console.log(JSON.stringify({ said }));
}
process.exit();`

// pythonWithDrivers is the first Python that has them. Packages of the distribution are for its own, and another
// may be first on PATH.
func pythonWithDrivers(t *testing.T) string {
	t.Helper()
	var said []byte
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		var err error
		if said, err = exec.CommandContext(t.Context(), python, "-c", "import psycopg2, pymysql").CombinedOutput(); err == nil {
			return python
		}
	}
	t.Fatalf("no Python has psycopg2 and pymysql:\n%s", said)
	return ""
}
