-- The outbox of ecpayq: intents that are committed with the order. MySQL 8.0.11, MariaDB 10.6 or newer.
-- Run it in the database of the shop, once; running it again changes nothing.

CREATE TABLE IF NOT EXISTS ecpayq_outbox (
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'counts rows; no order is kept / 流水號，不代表處理順序',
  intent     LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT '{"type":"b2c:trigger_issue","data":{"MerchantID":"…","Tsr":"…"}}, as a line of ecpayq enqueue batch / 內容同 ecpayq enqueue batch 的一行',
  process_at VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'not before this time, as 2026-01-31T09:00:00+08:00; NULL is at once / 最早執行時間，NULL 為立即',
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) COMMENT 'when the row was inserted / 寫入時間',
  attempts   INT NOT NULL DEFAULT 0 COMMENT 'how many times it was found to be wrong / 判定有誤的次數',
  error      TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'what is wrong; such a row waits for ecpayq outbox retry or discard / 錯誤原因（英文），等待 ecpayq outbox retry 或 discard',
  error_zh   TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'the same in Chinese / 錯誤原因（中文）'
) ENGINE=InnoDB COMMENT='intents for ecpayq, inserted in the transaction of the order; a relay deletes them once Redis has them / 與訂單同一交易寫入的發票作業，送入 Redis 後即刪除';
