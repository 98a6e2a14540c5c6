<?php

declare(strict_types=1);

// In the transaction that marks an order as paid, a shop with an outbox asks for its invoice: both or neither.
// The table is that of `ecpayq outbox schema`, in the database of the orders.

function ecpayq_connect(string $dsn, ?string $user, #[\SensitiveParameter] ?string $password): PDO
{
    return new PDO($dsn, $user, $password, [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, // without it a statement that fails is passed over
        // Behind PgBouncer the connection changes from transaction to transaction, and what was prepared on another may
        // be somebody else's statement. Emulated, nothing is prepared. With MySQL the DSN then names the charset.
        PDO::ATTR_EMULATE_PREPARES => true,
    ]);
}

/** Adds an intent, which is as a line of `ecpayq enqueue batch`, to the open transaction. */
function ecpayq_add(PDO $db, array $intent): void
{
    if (!$db->inTransaction()) {
        throw new LogicException('須在寫入訂單的同一個交易中呼叫');
    }
    // No JSON_UNESCAPED_UNICODE: ASCII (\uXXXX) is the same in every character set that a connection may have.
    // A time goes into the intent, as 'process_at' => $time->format(DATE_RFC3339).
    $db->prepare('INSERT INTO ecpayq_outbox (intent) VALUES (?)')->execute([json_encode($intent, JSON_THROW_ON_ERROR)]);
}

/**
 * Returns false where the order was paid before. After an exception the order is as it was, or nobody knows, as when
 * the connection broke at the commit: call it again, which is safe.
 */
function ecpayq_paid(PDO $db, string $tsr, array $intent, ?callable $more = null): bool
{
    $db->beginTransaction();
    try {
        $order = $db->prepare("UPDATE orders SET state = 'paid' WHERE tsr = ? AND state = 'placed'");
        $order->execute([$tsr]);
        if ($new = $order->rowCount() === 1) { // payments are called back twice; the second waits here, and changes nothing
            ecpayq_add($db, $intent);
            $more === null || $more($db);
        }
        $db->commit();
    } catch (Throwable $e) {
        try {
            $db->rollBack(); // or the next request would go on in this transaction
        } catch (PDOException) { // there is none any more: the connection broke, or a DDL of MySQL's committed it
        }
        throw $e;
    }
    // With PostgreSQL commit() returns true, and nothing is committed, when $more caught an error of a statement.
    $order = $db->prepare("SELECT 1 FROM orders WHERE tsr = ? AND state = 'paid'");
    $order->execute([$tsr]);
    if ($order->fetchColumn() === false) {
        throw new RuntimeException("訂單 $tsr 未寫入，或不存在");
    }
    return $new;
}
