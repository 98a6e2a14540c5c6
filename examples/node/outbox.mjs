// In the transaction that marks an order as paid, a shop with an outbox asks for its invoice: both or neither.
// The table is that of `ecpayq outbox schema`, in the database of the orders.
//
//   const client = await pool.connect();                        // pg; never pool.query, which takes any connection
//   try { await paid(postgres(client), tsr, intent); } finally { client.release(); }
//
//   const connection = await pool.getConnection();              // mysql2/promise
//   try { await paid(mysql(connection), tsr, intent); } finally { connection.release(); }

export const postgres = (client) => ({
  begin: () => client.query('BEGIN'), commit: () => client.query('COMMIT'), rollback: () => client.query('ROLLBACK'),
  async run(text, value) {
    const { rowCount } = await client.query(text.replace('?', '$1'), [value]);
    return rowCount; // found, or changed
  },
});

export const mysql = (connection) => ({
  begin: () => connection.beginTransaction(), commit: () => connection.commit(), rollback: () => connection.rollback(),
  async run(text, value) {
    const [result] = await connection.query(text, [value]);
    return result.length ?? result.affectedRows;
  },
});

// JSON.stringify leaves text as it is. ASCII is the same in every character set that a connection may have.
export const ascii = (value) => JSON.stringify(value)
  .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

// add adds an intent, which is as a line of `ecpayq enqueue batch`, to the open transaction. A time goes into the intent,
// as process_at: date.toISOString().
export const add = (db, intent) => db.run('INSERT INTO ecpayq_outbox (intent) VALUES (?)', ascii(intent));

// paid returns false where the order was paid before. After an error the order is as it was, or nobody knows, as when the
// connection broke at the commit: call it again, which is safe.
export async function paid(db, tsr, intent, more) {
  let isNew;
  await db.begin();
  try {
    isNew = await db.run("UPDATE orders SET state = 'paid' WHERE tsr = ? AND state = 'placed'", tsr) === 1;
    if (isNew) { // payments are called back twice; the second waits at the update, and changes nothing
      await add(db, intent);
      await more?.(db);
    }
    await db.commit();
  } catch (error) {
    await db.rollback().catch(() => {}); // the connection broke, and the transaction with it
    throw error;
  }
  // With PostgreSQL COMMIT is no error, and nothing is committed, when more caught an error of a statement.
  if (await db.run("SELECT 1 FROM orders WHERE tsr = ? AND state = 'paid'", tsr) !== 1) {
    throw new Error(`訂單 ${tsr} 未寫入，或不存在`);
  }
  return isNew;
}
