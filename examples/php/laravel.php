<?php

declare(strict_types=1);

namespace App\Services;

use Illuminate\Http\Client\ConnectionException;
use Illuminate\Http\Client\PendingRequest;
use Illuminate\Http\Client\RequestException;
use Illuminate\Support\Facades\Http;
use RuntimeException;
use Throwable;

/** A person must look; the message is for them. */
final class IntentRefused extends RuntimeException {}

/**
 * Call it in a queued job: (new Ecpayq())->triggerIssue('2000132', $order->tsr, $order->number, 0).
 * On IntentRefused call $this->fail($e) of the job. Any other exception: let the job run again, which is safe,
 * for the same intent has the same id and is stored once.
 */
final class Ecpayq
{
    /** @return array{id: string, state: string, duplicate: bool} */
    public function triggerIssue(string $merchantId, string $tsr, string $relateNumber, int $delayDay): array
    {
        $response = $this->http()->post('/v1/intents', ['type' => 'b2c:trigger_issue', 'data' => [
            'MerchantID' => $merchantId, 'Tsr' => $tsr,
            'RelateNumber' => $relateNumber, 'DelayDay' => $delayDay, // ECPay is asked by these when its answer is lost
        ]]);
        if (in_array($response->status(), [201, 200], true) && is_string($response->json('id'))) {
            return $response->json(); // 200: it was stored before
        }
        if ($response->serverError() || $response->status() === 408) {
            $response->throw();
        }
        $why = [$response->json('detail_zh') ?? 'HTTP ' . $response->status(), $response->json('advice_zh')];
        throw new IntentRefused('需人工處理：' . implode('。', array_filter($why)));
    }

    private function http(): PendingRequest
    {
        // config/services.php: 'ecpayq' => ['url' => env('ECPAYQ_API', …), 'token' => env('ECPAYQ_TOKEN')]
        $http = Http::baseUrl(config('services.ecpayq.url') ?? 'http://127.0.0.1:8970')
            ->asJson()->withoutRedirecting()->connectTimeout(3)->timeout(15)
            ->retry(4, self::pause(...), fn (Throwable $e) => $e instanceof ConnectionException
                || $e instanceof RequestException && $e->response->serverError(), throw: false);
        $token = config('services.ecpayq.token');
        return $token ? $http->withToken($token) : $http;
    }

    private static function pause(int $attempt, Throwable $e): int // in milliseconds
    {
        $asked = $e instanceof RequestException ? (int) $e->response->header('Retry-After') : 0;
        return max(500 * 2 ** ($attempt - 1), 1000 * min($asked, 60));
    }
}
