<?php

// Serves php/laravel-webhook.php with stand-ins for the classes of Laravel that it uses, for a test:
// php -S 127.0.0.1:8090 testdata/laravel-webhook.php
// A row of ecpayq_outcomes is a file in ECPAYQ_WEBHOOK_DIR, whose name is unique as webhook_id is there.

namespace Illuminate\Http {
    final class Request
    {
        public function header(string $name): ?string
        {
            return $_SERVER['HTTP_' . strtr(strtoupper($name), '-', '_')] ?? null;
        }

        public function getContent(): string
        {
            return file_get_contents('php://input');
        }
    }

    final class Response
    {
        public function __construct(public int $status) {}
    }
}

namespace Illuminate\Support\Facades {
    final class Log
    {
        public static function warning(string $text): void
        {
            error_log($text);
        }
    }

    final class Table
    {
        public function insertOrIgnore(array $row): int
        {
            $dir = getenv('ECPAYQ_WEBHOOK_DIR');
            is_dir($dir) || throw new \RuntimeException('there is no table');
            $file = @fopen(sprintf('%s/%016d-%s.json', $dir, $row['seq'], hash('sha256', $row['webhook_id'])), 'x');
            return $file && fwrite($file, $row['body']) === strlen($row['body']) ? 1 : 0;
        }

        public function where(string $column, mixed ...$is): self
        {
            return $this;
        }

        public function update(array $set): int
        {
            return array_keys($set) === ['invoice_state', 'outcome_seq'] ? 1 : throw new \RuntimeException('there is no such column');
        }
    }

    final class DB
    {
        public static function table(string $name): Table
        {
            return new Table();
        }

        public static function transaction(callable $f): void
        {
            $f();
        }
    }
}

namespace {
    function config(string $name): string
    {
        $name === 'services.ecpayq.webhook_secret' || throw new RuntimeException($name);
        return getenv('ECPAYQ_WEBHOOK_SECRET') ?: file_get_contents(getenv('ECPAYQ_WEBHOOK_SECRET_FILE'));
    }

    function response(): object
    {
        return new class {
            public function noContent(int $status = 204): Illuminate\Http\Response
            {
                return new Illuminate\Http\Response($status);
            }
        };
    }

    require __DIR__ . '/../php/webhook.php';
    require __DIR__ . '/../php/laravel-webhook.php';
    try {
        http_response_code((new App\Http\Controllers\EcpayqWebhookController())(new Illuminate\Http\Request())->status);
    } catch (Throwable $e) { // as Laravel's handler of exceptions does
        error_log($e::class);
        http_response_code(500);
    }
}
