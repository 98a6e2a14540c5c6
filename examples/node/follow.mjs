// Follows how tasks end: node follow.mjs CURSOR_FILE
// Prints one JSON line for each. With ECPAYQ_ONCE=1 it ends when there are no more.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const once = process.env.ECPAYQ_ONCE === '1';
const api = (process.env.ECPAYQ_API || 'http://127.0.0.1:8970').replace(/\/$/, '');
const headers = process.env.ECPAYQ_TOKEN ? { Authorization: `Bearer ${process.env.ECPAYQ_TOKEN}` } : {};
const file = process.argv[2];
if (!file) throw new Error('usage: node follow.mjs CURSOR_FILE');

function store(cursor) {
  writeFileSync(`${file}.new`, cursor);
  renameSync(`${file}.new`, file); // a crash leaves the old one or the new one
  return cursor;
}

// get returns status 0 where no answer came.
async function get(cursor) {
  const query = new URLSearchParams({ wait: once ? '0s' : '25s' });
  if (cursor) query.set('after', cursor); // none: from the oldest
  try {
    const response = await fetch(`${api}/v1/outcomes?${query}`, {
      headers, redirect: 'error', signal: AbortSignal.timeout(60_000), // longer than the wait
    });
    const text = await response.text();
    let page = {};
    try { page = JSON.parse(text) ?? {}; } catch { /* a proxy's own page */ }
    return { status: response.status, retryAfter: Number(response.headers.get('Retry-After')), page };
  } catch (error) {
    if (!(error instanceof TypeError) && error.name !== 'TimeoutError') throw error;
    return { status: 0, page: { detail_zh: `${error.cause?.message ?? error.message}` } };
  }
}

for (let cursor = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''; ;) {
  const { status, retryAfter, page } = await get(cursor);
  const why = page.detail_zh ?? `HTTP ${status}`;
  if (status === 200 && page.next) {
    // Those after the stored cursor come again after a crash: seq tells.
    for (const outcome of page.outcomes) console.log(JSON.stringify(outcome));
    cursor = store(page.next); // only now: what is not dealt with is not passed over
    if (once && page.outcomes.length === 0) break;
  } else if (status === 410 && page.next) { // some are gone, which a person has to know
    console.error(`需人工處理：${why}`);
    cursor = store(page.next);
  } else if (status === 0 || status === 408 || status >= 500) {
    console.error(`稍後再試：${why}`);
    await sleep(1000 * Math.min(retryAfter || 2, 60));
  } else {
    console.error(`需人工處理：${why}`);
    process.exitCode = 1;
    break;
  }
}
