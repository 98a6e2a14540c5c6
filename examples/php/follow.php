<?php

declare(strict_types=1);

// Follows how tasks end: php follow.php CURSOR_FILE
// Prints one JSON line for each. With ECPAYQ_ONCE=1 it ends when there are no more.

if ($argc !== 2) {
    fwrite(STDERR, "usage: php follow.php CURSOR_FILE\n");
    exit(1);
}
$once = getenv('ECPAYQ_ONCE') === '1';
$url = rtrim(getenv('ECPAYQ_API') ?: 'http://127.0.0.1:8970', '/') . '/v1/outcomes?wait=' . ($once ? '0s' : '25s');
$token = getenv('ECPAYQ_TOKEN');
$cursor = is_file($argv[1]) ? trim(file_get_contents($argv[1])) : ''; // none: from the oldest

$store = function (string $next) use ($argv, &$cursor): void {
    // A new file in the place of the old one, so that a crash leaves one of the two.
    if (file_put_contents("$argv[1].new", $next) !== strlen($next) || !rename("$argv[1].new", $argv[1])) {
        fwrite(STDERR, "無法寫入游標檔 $argv[1]\n");
        exit(1);
    }
    $cursor = $next;
};
$curl = curl_init();
curl_setopt_array($curl, [
    CURLOPT_HTTPHEADER => $token ? ["Authorization: Bearer $token"] : [], CURLOPT_RETURNTRANSFER => true,
    CURLOPT_CONNECTTIMEOUT => 3, CURLOPT_TIMEOUT => 60, // longer than the wait
]);
while (true) {
    curl_setopt($curl, CURLOPT_URL, $url . ($cursor === '' ? '' : '&after=' . rawurlencode($cursor)));
    $body = curl_exec($curl);
    $status = $body === false ? 0 : curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    $page = json_decode((string) $body);
    if ($status === 200 && isset($page->next)) {
        foreach ($page->outcomes as $o) { // those after the stored cursor come again after a crash: seq tells
            echo json_encode($o, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
        }
        $store($page->next); // only now: what is not dealt with is not passed over
        if ($once && $page->outcomes === []) {
            exit(0);
        }
    } elseif ($status === 410 && isset($page->next)) { // some are gone, which a person has to know
        fwrite(STDERR, "需人工處理：{$page->detail_zh}\n");
        $store($page->next);
    } elseif ($status === 0 || $status === 408 || $status >= 500) {
        fwrite(STDERR, '稍後再試：' . ($page->detail_zh ?? (curl_error($curl) ?: "HTTP $status")) . "\n");
        sleep(min(60, curl_getinfo($curl, CURLINFO_RETRY_AFTER) ?: 2));
    } else {
        fwrite(STDERR, '需人工處理：' . ($page->detail_zh ?? "HTTP $status") . "\n");
        exit(1);
    }
}
