<?php

declare(strict_types=1);

// After a payment: php enqueue.php MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY
// Exit 0: stored. 1: a person must look. 2: nobody knows whether it is stored; run the same again.

if ($argc !== 5) {
    fwrite(STDERR, "usage: php enqueue.php MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY\n");
    exit(1);
}
$url = rtrim(getenv('ECPAYQ_API') ?: 'http://127.0.0.1:8970', '/') . '/v1/intents';
$headers = ['Content-Type: application/json']; // curl would say that it is a form
if ($token = getenv('ECPAYQ_TOKEN')) {
    $headers[] = "Authorization: Bearer $token";
}
$intent = json_encode(['type' => 'b2c:trigger_issue', 'data' => [
    'MerchantID' => $argv[1], // numbers of orders and shops are strings, also where they are digits
    'Tsr' => $argv[2],
    'RelateNumber' => $argv[3], // by these two ECPay is asked when an answer of its is lost
    'DelayDay' => filter_var($argv[4], FILTER_VALIDATE_INT),
]], JSON_THROW_ON_ERROR);

$why = '';
$retryAfter = 0;
// The same intent has the same id and is stored once, so that it may be sent as often as need be.
foreach ([0, 0.5, 1, 2, 4, 8] as $pause) {
    usleep((int) (1e6 * max($pause, min($retryAfter, 60))));
    $curl = curl_init($url);
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => $intent, CURLOPT_HTTPHEADER => $headers, CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 3, CURLOPT_TIMEOUT => 15,
    ]);
    $body = curl_exec($curl);
    $status = $body === false ? 0 : curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    $retryAfter = curl_getinfo($curl, CURLINFO_RETRY_AFTER); // 0 where it is not said
    $answer = json_decode((string) $body, true);
    if (in_array($status, [201, 200], true) && isset($answer['id'])) { // 200: it was stored before
        echo trim($body), "\n";
        exit(0);
    }
    $why = $answer['detail_zh'] ?? (curl_error($curl) ?: "HTTP $status");
    if ($status !== 0 && $status !== 408 && $status < 500) {
        fwrite(STDERR, '需人工處理：' . implode('。', array_filter([$why, $answer['advice_zh'] ?? ''])) . "\n");
        exit(1);
    }
}
fwrite(STDERR, "無法得知是否已儲存，請以相同內容再執行一次：$why\n");
exit(2);
