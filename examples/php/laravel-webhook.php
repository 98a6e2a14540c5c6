<?php

declare(strict_types=1);

namespace App\Http\Controllers;

use Illuminate\Http\Request;
use Illuminate\Http\Response;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use UnexpectedValueException;

use function ecpayq_verify; // of webhook.php; composer.json: "autoload": {"files": ["app/webhook.php"]}

/**
 * routes/web.php: Route::post('/ecpayq', EcpayqWebhookController::class);
 * bootstrap/app.php: $middleware->validateCsrfTokens(except: ['ecpayq']);
 * config/services.php: 'ecpayq' => ['webhook_secret' => env('ECPAYQ_WEBHOOK_SECRET')]
 * Table ecpayq_outcomes: webhook_id (string, unique), merchant_id, seq (bigInteger), body (text).
 * Table orders: tsr, invoice_state, and outcome_seq (bigInteger, 0 at first).
 */
final class EcpayqWebhookController
{
    public function __invoke(Request $request): Response
    {
        $id = (string) $request->header('webhook-id');
        $body = $request->getContent(); // the bytes as they came, unlike $request->all()
        try {
            $outcome = ecpayq_verify($body, $id, (string) $request->header('webhook-timestamp'),
                (string) $request->header('webhook-signature'), (string) config('services.ecpayq.webhook_secret'));
        } catch (UnexpectedValueException $e) {
            Log::warning("拒收：{$e->getMessage()}");
            return response()->noContent(401);
        }
        DB::transaction(fn () => $this->store($id, $outcome, $body));
        return response()->noContent();
    }

    private function store(string $id, array $outcome, string $body): void
    {
        $new = DB::table('ecpayq_outcomes')->insertOrIgnore([
            'webhook_id' => $id, 'merchant_id' => $outcome['merchant_id'], 'seq' => $outcome['seq'], 'body' => $body,
        ]);
        if ($new === 1 && ($outcome['type'] ?? '') === 'b2c:trigger_issue') { // 0: it came before, and was dealt with
            // A trigger may end several times, and some come late: what has the highest seq stands.
            DB::table('orders')->where('tsr', $outcome['subject']['Tsr'])->where('outcome_seq', '<', $outcome['seq'])
                ->update(['invoice_state' => $outcome['state'], 'outcome_seq' => $outcome['seq']]);
        }
    }
}
