"""In the transaction that marks an order as paid, a shop with an outbox asks for its invoice: both or neither.

The table is that of `ecpayq outbox schema`, in the database of the orders. The connection is one of psycopg, psycopg2,
PyMySQL or mysqlclient, which write a parameter as %s, and not in autocommit.
"""
import contextlib
import json


def add(cursor, intent):
    """Adds an intent, which is as a line of `ecpayq enqueue batch`, to the open transaction."""
    # ASCII (\uXXXX), as json.dumps writes by default, is the same in every character set that a connection may have.
    # A time goes into the intent, as "process_at": time.isoformat(), with its zone.
    cursor.execute("INSERT INTO ecpayq_outbox (intent) VALUES (%s)", (json.dumps(intent),))


def paid(connection, tsr, intent, more=None):
    """False where the order was paid before.

    After an exception the order is as it was, or nobody knows, as when the connection broke at the commit: call it
    again, which is safe.
    """
    # Not `with connection`: that commits with psycopg2, closes the connection too with psycopg, and only closes it with PyMySQL.
    try:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute("UPDATE orders SET state = 'paid' WHERE tsr = %s AND state = 'placed'", (tsr,))
            new = cursor.rowcount == 1
            if new:  # payments are called back twice; the second waits at the update, and changes nothing
                add(cursor, intent)
                if more:
                    more(cursor)
            connection.commit()
            # With PostgreSQL commit() says nothing, and nothing is committed, when more caught an error of a statement.
            cursor.execute("SELECT 1 FROM orders WHERE tsr = %s AND state = 'paid'", (tsr,))
            if cursor.fetchone() is None:
                raise RuntimeError(f"訂單 {tsr} 未寫入，或不存在")
            connection.commit()  # that was another transaction
            return new
    except BaseException:
        with contextlib.suppress(Exception):  # the connection broke, and the transaction with it
            connection.rollback()  # or the next request would go on in this transaction
        raise
