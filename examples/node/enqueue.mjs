// After a payment: node enqueue.mjs MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY
// Exit 0: stored. 1: a person must look. 2: nobody knows whether it is stored; run the same again.
import { setTimeout as sleep } from 'node:timers/promises';

const api = (process.env.ECPAYQ_API || 'http://127.0.0.1:8970').replace(/\/$/, '');
const headers = { 'Content-Type': 'application/json' }; // fetch would say that it is plain text
if (process.env.ECPAYQ_TOKEN) headers.Authorization = `Bearer ${process.env.ECPAYQ_TOKEN}`;

// post returns status 0 where no answer came.
async function post(body) {
  try {
    const response = await fetch(`${api}/v1/intents`, {
      method: 'POST', headers, body, redirect: 'error', signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    return { status: response.status, retryAfter: Number(response.headers.get('Retry-After')) || 0, answer: parse(text) };
  } catch (error) {
    // A TypeError is no answer, as on a connection that was kept too long; the other is the timeout.
    if (!(error instanceof TypeError) && error.name !== 'TimeoutError') throw error;
    return { status: 0, retryAfter: 0, answer: { detail_zh: `${error.cause?.message ?? error.message}` } };
  }
}

function parse(text) {
  try { return JSON.parse(text) ?? {}; } catch { return {}; } // a proxy's own page
}

// The same intent has the same id and is stored once, so that it may be sent as often as need be.
async function enqueue(intent) {
  const body = JSON.stringify(intent);
  let why = '', retryAfter = 0;
  for (const pause of [0, 0.5, 1, 2, 4, 8]) {
    await sleep(1000 * Math.max(pause, Math.min(retryAfter, 60)));
    const said = await post(body);
    ({ retryAfter } = said);
    if ([201, 200].includes(said.status) && said.answer.id) { // 200: it was stored before
      console.log(JSON.stringify(said.answer));
      return 0;
    }
    why = said.answer.detail_zh ?? `HTTP ${said.status}`;
    if (said.status !== 0 && said.status !== 408 && said.status < 500) {
      console.error(`需人工處理：${[why, said.answer.advice_zh].filter(Boolean).join('。')}`);
      return 1;
    }
  }
  console.error(`無法得知是否已儲存，請以相同內容再執行一次：${why}`);
  return 2;
}

if (process.argv.length !== 6) throw new Error('usage: node enqueue.mjs MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY');
const [MerchantID, Tsr, RelateNumber, delayDay] = process.argv.slice(2);
// ECPay is asked by RelateNumber and DelayDay when an answer of its is lost.
const data = { MerchantID, Tsr, RelateNumber, DelayDay: JSON.parse(delayDay) }; // NaN would become null: not known
process.exitCode = await enqueue({ type: 'b2c:trigger_issue', data });
