//go:build examples

package examples_test

// laravelHTTP has stand-ins for Laravel's HTTP client, as far as the examples use it. A request is sent again as theirs is:
// after a failure of which the examples say that it passes, and with the last answer, if there is one, in the end.
const laravelHTTP = `namespace Illuminate\Http\Client;
class ConnectionException extends \Exception {}
class RequestException extends \Exception { function __construct(public Response $response) {} }
class Response {
	function __construct(private int $status, private string $body, private int $after) {}
	function status(): int { return $this->status; }
	function serverError(): bool { return $this->status >= 500; }
	function json(?string $key = null) { $all = json_decode($this->body, true); return $key === null ? $all : $all[$key] ?? null; }
	function header(string $name): string { return $name === "Retry-After" ? (string) $this->after : throw new \Exception($name); }
	function throw() { throw new RequestException($this); }
}
class PendingRequest {
	private array $options = [], $headers = [], $retry = [1, null, null];
	function __construct(private string $url) {}
	private function with(int $option, mixed $value): self { $this->options[$option] = $value; return $this; }
	function asJson(): self { $this->headers[] = "Content-Type: application/json"; return $this; }
	function withoutRedirecting(): self { return $this->with(CURLOPT_FOLLOWLOCATION, false); }
	function withToken(string $token): self { $this->headers[] = "Authorization: Bearer $token"; return $this; }
	function connectTimeout(int $seconds): self { return $this->with(CURLOPT_CONNECTTIMEOUT, $seconds); }
	function timeout(int $seconds): self { return $this->with(CURLOPT_TIMEOUT, $seconds); }
	function retry(int $times, callable $pause, callable $when, bool $throw): self {
		$this->retry = [$times, $pause, $throw ? throw new \Exception("throw") : $when];
		return $this;
	}
	function get(string $path, array $query): Response { return $this->tries("$path?" . http_build_query($query)); }
	function post(string $path, array $data): Response { return $this->with(CURLOPT_POSTFIELDS, json_encode($data))->tries($path); }
	private function tries(string $path): Response {
		[$times, $pause, $when] = $this->retry;
		for ($try = 1; ; $try++) {
			$response = null;
			try {
				$response = $this->send($path);
				if ($response->status() < 400 || $try === $times) return $response;
				$response->throw();
			} catch (ConnectionException | RequestException $e) {
				if ($try === $times || !$when($e)) return $response ?? throw $e;
				usleep(1000 * $pause($try, $e));
			}
		}
	}
	private function send(string $path): Response {
		$curl = curl_init("$this->url$path");
		curl_setopt_array($curl, $this->options + [CURLOPT_HTTPHEADER => $this->headers, CURLOPT_RETURNTRANSFER => true]);
		$body = curl_exec($curl);
		$body !== false || throw new ConnectionException(curl_error($curl));
		return new Response(curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $body, curl_getinfo($curl, CURLINFO_RETRY_AFTER));
	}
}
namespace Illuminate\Support\Facades;
class Http { static function baseUrl(string $url) { return new \Illuminate\Http\Client\PendingRequest($url); } }
eval('function config(string $name) {
	return getenv(["services.ecpayq.url" => "ECPAYQ_API", "services.ecpayq.token" => "ECPAYQ_TOKEN"][$name]);
}');
`

// laravelEnqueue runs php/laravel.php, as a queued job would.
var laravelEnqueue = language{
	name: "Laravel", probe: []string{"php", "-r", "exit(extension_loaded('curl') ? 0 : 1);"},
	enqueue: []string{"php", "-r", laravelHTTP + `require "php/laravel.php";
try {
	$stored = (new \App\Services\Ecpayq())->triggerIssue($argv[1], $argv[2], $argv[3], filter_var($argv[4], FILTER_VALIDATE_INT));
	echo json_encode($stored), "\n";
} catch (\App\Services\IntentRefused $e) {
	fwrite(STDERR, $e->getMessage() . "\n");
	exit(1);
}`, "--"},
}

// laravelFollow runs php/laravel-follow.php with stand-ins for the classes of Laravel that it uses. Tables are kept in the
// file that is its argument, when a transaction ends; what is written to an order is printed as the outcome that it shows.
var laravelFollow = language{
	name: "Laravel", probe: []string{"php", "-r", "exit(extension_loaded('curl') ? 0 : 1);"},
	follow: []string{"php", "-r", `namespace Illuminate\Console;
class Command {
	const SUCCESS = 0, FAILURE = 1;
	function option(string $name): bool { return $name === "once" && getenv("ECPAYQ_ONCE") === "1"; }
}
` + laravelHTTP + `class Log { static function error(string $text): void { fwrite(STDERR, "$text\n"); } }
class Table {
	private array $conditions = [];
	function __construct(private string $name) {}
	function where(string $column, mixed ...$is): self {
		$this->conditions[] = fn (array $row) => count($is) === 1 ? $row[$column] === $is[0] : $row[$column] < $is[1];
		return $this;
	}
	private function rows(): array {
		return array_filter(DB::$tables[$this->name],
			fn ($row) => array_reduce($this->conditions, fn ($all, $c) => $all && $c($row), true));
	}
	function value(string $column): mixed { return array_values($this->rows())[0][$column] ?? null; }
	function update(array $set): void {
		foreach ($this->rows() as $i => $row) {
			DB::$tables[$this->name][$i] = $set + $row;
			echo json_encode(["seq" => $set["outcome_seq"], "subject" => ["Tsr" => $row["tsr"]], "state" => $set["invoice_state"]]), "\n";
		}
	}
	function updateOrInsert(array $is, array $set): void { DB::$tables[$this->name] = [$is + $set]; }
}
class DB {
	static array $tables;
	static function table(string $name): Table { return new Table($name); }
	static function transaction(callable $f): void { $f(); file_put_contents($GLOBALS["argv"][1], json_encode(self::$tables)); }
}
DB::$tables = is_file($argv[1]) ? json_decode(file_get_contents($argv[1]), true) : ["ecpayq_cursors" => [],
	"orders" => array_map(fn ($tsr) => ["tsr" => $tsr, "invoice_state" => null, "outcome_seq" => 0], ["A0", "A1", "B0", "B1"])];
require "php/laravel-follow.php";
exit((new \App\Console\Commands\EcpayqFollow())->handle());`, "--"},
}
