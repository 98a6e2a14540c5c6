<?php

declare(strict_types=1);

namespace App\Services;

use Illuminate\Support\Facades\DB;
use RuntimeException;

/**
 * Marks an order as paid and asks for its invoice, in one transaction: both or neither.
 *
 * The tables orders and ecpayq_outbox are on the same connection; in a migration:
 * DB::unprepared(file_get_contents(database_path('ecpayq_outbox.sql'))), the file being what `ecpayq outbox schema` printed.
 * Behind PgBouncer, config/database.php: 'options' => [PDO::ATTR_EMULATE_PREPARES => true].
 */
final class PayOrder
{
    /** Returns false where the order was paid before. After an exception call it again, which is safe. */
    public function __invoke(string $merchantId, string $tsr): bool
    {
        $new = DB::transaction(function () use ($merchantId, $tsr): bool {
            $new = DB::table('orders')->where('tsr', $tsr)->where('state', 'placed')->update(['state' => 'paid']) === 1;
            if ($new) { // a payment is called back twice; the second waits at the update, and changes nothing
                // ASCII, without JSON_UNESCAPED_UNICODE. A job in a queue of Redis would not be in the transaction; the row is.
                DB::table('ecpayq_outbox')->insert(['intent' => json_encode([
                    'type' => 'b2c:trigger_issue', 'data' => ['MerchantID' => $merchantId, 'Tsr' => $tsr],
                ], JSON_THROW_ON_ERROR)]);
            }
            return $new; // what else belongs to the order goes before, and lets its exceptions pass
        }, attempts: 3); // after a deadlock
        // With PostgreSQL nothing is committed, and nothing said, when an error of a statement was caught on the way. Inside
        // another DB::transaction this proves nothing: there the outer one has to look.
        $paid = DB::table('orders')->useWritePdo()->where('tsr', $tsr)->where('state', 'paid')->exists();
        return $paid ? $new : throw new RuntimeException("訂單 $tsr 未寫入，或不存在");
    }
}
