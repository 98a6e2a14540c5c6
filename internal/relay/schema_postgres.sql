-- The outbox of ecpayq: intents that are committed with the order. PostgreSQL 13 or newer.
-- Run it in the database of the shop, once; running it again changes nothing.

CREATE TABLE IF NOT EXISTS ecpayq_outbox (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  intent     text,
  process_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts   integer NOT NULL DEFAULT 0,
  error      text,
  error_zh   text
) WITH (
  -- Rows live for milliseconds: what they leave behind is cleaned up by their number, not by a
  -- share of a table that is mostly empty.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000
);

COMMENT ON TABLE ecpayq_outbox IS 'intents for ecpayq, inserted in the transaction of the order; a relay deletes them once Redis has them / 與訂單同一交易寫入的發票作業，送入 Redis 後即刪除';
COMMENT ON COLUMN ecpayq_outbox.id IS 'counts rows; no order is kept / 流水號，不代表處理順序';
COMMENT ON COLUMN ecpayq_outbox.intent IS '{"type":"b2c:trigger_issue","data":{"MerchantID":"…","Tsr":"…"}}, as a line of ecpayq enqueue batch / 內容同 ecpayq enqueue batch 的一行';
COMMENT ON COLUMN ecpayq_outbox.process_at IS 'not before this time; NULL is at once / 最早執行時間，NULL 為立即';
COMMENT ON COLUMN ecpayq_outbox.created_at IS 'when the row was inserted / 寫入時間';
COMMENT ON COLUMN ecpayq_outbox.attempts IS 'how many times it was found to be wrong / 判定有誤的次數';
COMMENT ON COLUMN ecpayq_outbox.error IS 'what is wrong; such a row waits for ecpayq outbox retry or discard / 錯誤原因（英文），等待 ecpayq outbox retry 或 discard';
COMMENT ON COLUMN ecpayq_outbox.error_zh IS 'the same in Chinese / 錯誤原因（中文）';
