// Receives how tasks end: node webhook.mjs PORT   (behind a proxy with TLS)
// Each outcome becomes a file in ECPAYQ_WEBHOOK_DIR. Deal with its *.json in the order of their names.
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

export class Refused extends Error {} // it is not from ecpayq, or not from now

// verify returns the outcome. body is the Buffer as it came, for JSON that is encoded again is other bytes.
export function verify(body, id, timestamp, signatures, secret, now = Math.floor(Date.now() / 1000)) {
  const text = secret.trim().replace(/^whsec_/, '');
  const key = Buffer.from(text, 'base64'); // takes any text without an error
  if (key.toString('base64') !== text || key.length < 24) throw new Error('webhook 密鑰有誤：應為 whsec_ 加上 base64');
  if (!id || !/^[0-9]+$/.test(timestamp) || Math.abs(now - Number(timestamp)) > 300) {
    throw new Refused('缺少標頭，或時間與本機相差超過 5 分鐘');
  }
  const hmac = createHmac('sha256', key).update(`${id}.${Number(timestamp)}.`).update(body);
  const right = Buffer.from(`v1,${hmac.digest('base64')}`);
  for (const signature of signatures.split(' ')) { // two while the secret is being changed; v1a and others are passed over
    const given = Buffer.from(signature);
    if (given.length === right.length && timingSafeEqual(given, right)) return JSON.parse(body.toString());
  }
  throw new Refused('簽章不符');
}

// receive returns the status, 204 when the outcome is stored.
async function receive(request, dir, secret) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) if ((size += chunk.length) <= 2 ** 20) chunks.push(chunk); // a longer one is cut off, and refused
  const body = Buffer.concat(chunks);
  const { 'webhook-id': id, 'webhook-timestamp': timestamp = '', 'webhook-signature': signatures = '' } = request.headers;
  const outcome = verify(body, id, timestamp, signatures, secret);
  // One that is sent again has the same webhook-id, and so the same name. Some come late: of a task, what has the highest seq stands.
  const name = `${String(outcome.seq).padStart(16, '0')}-${createHash('sha256').update(id).digest('hex')}.json`;
  if (existsSync(`${dir}/${name}`)) return 204; // with a database: INSERT … ON CONFLICT DO NOTHING, webhook_id being unique
  const whole = `${dir}/${name}.${randomUUID()}`;
  await writeFile(whole, body, { flag: 'wx', flush: true });
  await rename(whole, `${dir}/${name}`);
  return 204;
}

const program = process.argv[1] ?? '';
if (existsSync(program) && realpathSync(program) === fileURLToPath(import.meta.url)) { // not where it is imported
  const { ECPAYQ_WEBHOOK_DIR: dir, ECPAYQ_WEBHOOK_SECRET, ECPAYQ_WEBHOOK_SECRET_FILE } = process.env;
  const secret = ECPAYQ_WEBHOOK_SECRET || readFileSync(ECPAYQ_WEBHOOK_SECRET_FILE, 'utf8');
  if (!dir || !process.argv[2]) throw new Error('usage: ECPAYQ_WEBHOOK_DIR=… node webhook.mjs PORT');
  const server = createServer((request, response) => receive(request, dir, secret).catch((error) => {
    console.error(error instanceof Refused ? `拒收：${error.message}` : error);
    return error instanceof Refused ? 401 : 500;
  }).then((status) => response.writeHead(status).end()));
  server.listen(Number(process.argv[2]), '127.0.0.1', () => console.error(`http://127.0.0.1:${server.address().port}`));
}
