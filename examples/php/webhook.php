<?php

declare(strict_types=1);

// Receives how tasks end, under any web server; to try it: php -S 127.0.0.1:8090 php/webhook.php
// Each outcome becomes a file in ECPAYQ_WEBHOOK_DIR, out of every visitor's reach. Deal with its *.json in the order of their names.

// Returns the outcome. UnexpectedValueException: it is not from ecpayq, or not from now. LogicException: the secret here is wrong.
// $body are the bytes as they came, for JSON that is encoded again is other bytes.
function ecpayq_verify(string $body, string $id, string $timestamp, string $signatures,
    #[\SensitiveParameter] string $secret, ?int $now = null): array
{
    $text = preg_replace('/^whsec_/', '', trim($secret));
    $key = base64_decode($text, true); // strictly: else a whsec_ that is left before it makes another key, and no error
    if ($key === false || base64_encode($key) !== $text || strlen($key) < 24) {
        throw new LogicException('webhook 密鑰有誤：應為 whsec_ 加上 base64');
    }
    if ($id === '' || !ctype_digit($timestamp) || abs(($now ?? time()) - (int) $timestamp) > 300) {
        throw new UnexpectedValueException('缺少標頭，或時間與本機相差超過 5 分鐘');
    }
    $right = 'v1,' . base64_encode(hash_hmac('sha256', "$id." . (int) $timestamp . ".$body", $key, true));
    foreach (explode(' ', $signatures) as $signature) { // two while the secret is being changed; v1a and others are passed over
        if (hash_equals($right, $signature)) {
            return json_decode($body, true, 512, JSON_THROW_ON_ERROR);
        }
    }
    throw new UnexpectedValueException('簽章不符');
}

if (debug_backtrace() !== []) {
    return; // another script wants the function only
}
http_response_code(500); // until it is stored: a fatal error that PHP displays would be a 200
$dir = getenv('ECPAYQ_WEBHOOK_DIR') ?: throw new LogicException('未設定 ECPAYQ_WEBHOOK_DIR');
$secret = getenv('ECPAYQ_WEBHOOK_SECRET') ?: (string) file_get_contents((string) getenv('ECPAYQ_WEBHOOK_SECRET_FILE'));
$body = file_get_contents('php://input', length: 2 ** 20); // a longer one is cut off, and refused
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? ''; // so under every web server, unlike getallheaders()
try {
    $outcome = ecpayq_verify($body, $id, $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '', $secret);
} catch (UnexpectedValueException $e) {
    error_log("拒收：{$e->getMessage()}");
    http_response_code(401);
    exit;
}
// One that is sent again has the same webhook-id, and so the same name. Some come late: of a task, what has the highest seq stands.
$file = sprintf('%s/%016d-%s.json', $dir, $outcome['seq'], hash('sha256', $id));
if (!is_file($file)) { // with a database: INSERT IGNORE, webhook_id being unique
    $new = "$file." . bin2hex(random_bytes(8)); // renamed when it is whole
    $to = fopen($new, 'x');
    if (fwrite($to, $body) !== strlen($body) || !fsync($to) || !rename($new, $file)) {
        exit; // with 500, so that it is sent again
    }
}
http_response_code(204);
