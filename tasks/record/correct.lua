-- Stores what a person wants changed before the task is run again: a corrected
-- payload, or their word that a write did not happen.
--
-- KEYS: record, index of the ledger, lock
-- ARGV: task id, the death it is about (ms), corrected (1/0), payload, headers, not executed (1/0), the caller's clock (ms)
-- Returns: gone, changed (it died again), running, ok
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  return 'gone'
end
local now = redis_now()
local r = redis.call('HMGET', KEYS[1], 'died', 'token', 'payload')
if r[1] ~= ARGV[2] then
  return 'changed'
end
local holder, by_redis, by_sender = lock_of(KEYS[3])
if r[2] and r[2] ~= '' and holder == r[2] and lock_left(by_redis, by_sender, now, tonumber(ARGV[7])) > 0 then
  return 'running'
end
if ARGV[3] == '1' then
  redis.call('HSETNX', KEYS[1], 'original', r[3] or '')
  redis.call('HSET', KEYS[1], 'payload', ARGV[4], 'headers', ARGV[5], 'fix', '1')
end
if ARGV[6] == '1' then
  redis.call('HDEL', KEYS[1], 'in_flight', 'sent_at', 'marked', 'repeated', 'repeats')
end
return 'ok'
