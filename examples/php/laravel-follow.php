<?php

declare(strict_types=1);

namespace App\Console\Commands;

use Illuminate\Console\Command;
use Illuminate\Http\Client\ConnectionException;
use Illuminate\Support\Facades\{DB, Http, Log};

/**
 * Follows how tasks end: php artisan ecpayq:follow, under Supervisor; with --once it ends when there are no more.
 * config/services.php: 'ecpayq' => ['url' => env('ECPAYQ_API', …), 'token' => env('ECPAYQ_TOKEN')]
 * Tables: ecpayq_cursors: name (string, primary), cursor (text). orders: tsr, invoice_state, outcome_seq (bigInteger, 0 at first).
 */
final class EcpayqFollow extends Command
{
    protected $signature = 'ecpayq:follow {--once}';

    public function handle(): int
    {
        do {
            [$status, $page, $pause] = $this->page(DB::table('ecpayq_cursors')->where('name', 'outcomes')->value('cursor'));
            $again = $status === 0 || $status === 408 || $status >= 500;
            $status === 200 && isset($page['next']) || Log::error(($again ? '稍後再試：' : '需人工處理：') . ($page['detail_zh'] ?? "HTTP $status"));
            if (isset($page['next'])) { // also of a 410: some are gone, which a person has to know
                // Together: what is not dealt with is not passed over, and what is does not come again.
                DB::transaction(fn () => $this->store($page['outcomes'] ?? [], $page['next']));
            } elseif ($again) {
                sleep(min(60, $pause ?: 2));
            } else {
                return self::FAILURE;
            }
        } while (!$this->option('once') || $status !== 200 || $page['outcomes'] !== []);
        return self::SUCCESS;
    }

    private function store(array $outcomes, string $next): void
    {
        foreach ($outcomes as $o) { // a trigger may end several times, and what has the highest seq stands
            ($o['type'] ?? '') === 'b2c:trigger_issue' && DB::table('orders')->where('tsr', $o['subject']['Tsr'])
                ->where('outcome_seq', '<', $o['seq'])->update(['invoice_state' => $o['state'], 'outcome_seq' => $o['seq']]);
        }
        DB::table('ecpayq_cursors')->updateOrInsert(['name' => 'outcomes'], ['cursor' => $next]);
    }

    private function page(?string $cursor): array // status (0 where no answer came), body, and seconds to wait
    {
        $http = Http::baseUrl(config('services.ecpayq.url') ?? 'http://127.0.0.1:8970')->withoutRedirecting()
            ->withToken((string) config('services.ecpayq.token'))->connectTimeout(3)->timeout(60); // longer than the wait
        $query = array_filter(['after' => $cursor, 'wait' => $this->option('once') ? '0s' : '25s']); // none: from the oldest
        try {
            $r = $http->get('/v1/outcomes', $query);
            return [$r->status(), (array) $r->json(), (int) $r->header('Retry-After')];
        } catch (ConnectionException $e) {
            return [0, ['detail_zh' => $e->getMessage()], 0];
        }
    }
}
