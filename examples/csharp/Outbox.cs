// In the transaction that marks an order as paid, a shop with an outbox asks for its invoice: both or neither.
// The table is that of `ecpayq outbox schema`, in the database of the orders.   (.NET 8; Npgsql or MySqlConnector)
using System.Data.Common;
using System.Text.Json;

public static class Outbox
{
    // Adds an intent, which is as a line of `ecpayq enqueue batch`, to a transaction. The default JSON is ASCII (\uXXXX), which
    // is the same in every character set that a connection may have. A time goes into the intent, as process_at = time.ToString("O").
    public static async Task Add(DbTransaction tx, object intent)
    {
        await using var insert = Command(tx.Connection!, tx, "INSERT INTO ecpayq_outbox (intent) VALUES (@value)", JsonSerializer.Serialize(intent));
        await insert.ExecuteNonQueryAsync();
    }

    // Returns false where the order was paid before. After an exception the order is as it was, or nobody knows, as when the
    // connection broke at the commit: call it again, which is safe. For intent an anonymous object does:
    // new { type = "b2c:trigger_issue", data = new { MerchantID = "2000132", Tsr = tsr } }
    public static async Task<bool> Paid(DbConnection db, string tsr, object intent, Func<DbTransaction, Task>? more = null)
    {
        bool isNew;
        await using (var tx = await db.BeginTransactionAsync()) // its end without a commit is a rollback
        {
            await using var update = Command(db, tx, "UPDATE orders SET state = 'paid' WHERE tsr = @value AND state = 'placed'", tsr);
            isNew = await update.ExecuteNonQueryAsync() == 1;
            if (isNew) // payments are called back twice; the second waits at the update, and changes nothing
            {
                await Add(tx, intent);
                if (more is not null) await more(tx);
            }
            await tx.CommitAsync();
        }
        // With PostgreSQL CommitAsync says nothing, and nothing is committed, when more caught an error of a statement.
        await using var look = Command(db, null, "SELECT 1 FROM orders WHERE tsr = @value AND state = 'paid'", tsr);
        if (await look.ExecuteScalarAsync() is null) throw new InvalidOperationException($"訂單 {tsr} 未寫入，或不存在");
        return isNew;
    }

    private static DbCommand Command(DbConnection db, DbTransaction? tx, string text, string value)
    {
        var command = db.CreateCommand();
        (command.Transaction, command.CommandText) = (tx, text);
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = ("value", value);
        command.Parameters.Add(parameter);
        return command;
    }
}
