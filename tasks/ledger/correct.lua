-- Claims a letter for being run again, so that nobody withdraws it from then on, and
-- stores what a person wants changed before: a corrected payload, or their word that a
-- write did not happen. That write may land all the same for as long as ECPay takes it, so
-- that its mark stays: a worker sends again after the fence.
--
-- What the payload was before the correction stays beside it, so that a correction that
-- comes to nothing can be taken back (uncorrect.lua): of several the one before the first.
--
-- KEYS: record, index of the ledger, lock
-- ARGV: task id, the death it is about (ms), corrected (1/0), payload, headers, not executed (1/0), the caller's clock (ms),
--       the nonce of this replay
-- Returns: gone, changed (it died again), running, ok
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  return 'gone'
end
local now = redis_now()
local r = redis.call('HMGET', KEYS[1], 'died', 'token', 'payload', 'headers', 'fix', 'original', 'base_died')
if (r[1] or '') ~= ARGV[2] then
  return 'changed'
end
local holder, by_redis, by_sender = lock_of(KEYS[3])
if (ARGV[3] == '1' or ARGV[6] == '1') and r[2] and r[2] ~= '' and holder == r[2] and lock_left(by_redis, by_sender, now, tonumber(ARGV[7])) > 0 then
  return 'running'
end
redis.call('HSET', KEYS[1], 'revived', ARGV[2])
if ARGV[3] == '1' then
  if r[7] ~= ARGV[2] then
    redis.call('HSET', KEYS[1], 'base_died', ARGV[2], 'base_payload', r[3] or '', 'base_headers', r[4] or '', 'base_fix', r[5] or '',
      'base_original', r[6] and '1' or '0')
  end
  redis.call('HSETNX', KEYS[1], 'original', r[3] or '')
  redis.call('HSET', KEYS[1], 'payload', ARGV[4], 'headers', ARGV[5], 'fix', '1', 'fixed_by', ARGV[8])
end
if ARGV[6] == '1' then
  local mark = redis.call('HGET', KEYS[1], 'in_flight')
  if mark then redis.call('HSET', KEYS[1], 'not_executed', mark .. ' ' .. digits(now)) end
end
return 'ok'
