-- Claims a letter that is to be run again, so that it cannot be withdrawn from then on, and
-- stores what a person wants changed first: a corrected payload, or their word that a write did
-- not happen. ECPay may still carry out that write until the fence ends, so its mark stays, and
-- a worker sends again after the fence.
--
-- The payload before the correction is kept beside it, so that a correction that is not run can
-- be taken back (uncorrect.lua). Where there were several corrections, it is the payload before
-- the first.
--
-- Keys and arguments: correctKeys and correctArgs in revive.go.
-- Returns: gone, changed (it died again), running, ok
if not redis.call('ZSCORE', KEYS.dead, ARGV.id) then
  return 'gone'
end
local now = redis_now()
local r = FIELDS(KEYS.task, 'died', 'token', 'payload', 'headers', 'fix', 'original', 'base_died')
if (r.died or '') ~= ARGV.died then
  return 'changed'
end
local holder, by_redis, by_sender = lock_of(KEYS.lock)
if (ARGV.is_corrected == '1' or ARGV.denied ~= '') and r.token and r.token ~= '' and holder == r.token
    and lock_left(by_redis, by_sender, now, tonumber(ARGV.clock)) > 0 then
  return 'running'
end
redis.call('HSET', KEYS.task, 'revived', ARGV.died)
if ARGV.is_corrected == '1' then
  if r.base_died ~= ARGV.died then
    redis.call('HSET', KEYS.task, 'base_died', ARGV.died, 'base_payload', r.payload or '', 'base_headers', r.headers or '',
      'base_fix', r.fix or '', 'base_original', r.original and '1' or '0')
  end
  redis.call('HSETNX', KEYS.task, 'original', r.payload or '')
  redis.call('HSET', KEYS.task, 'payload', ARGV.payload, 'headers', ARGV.headers, 'fix', '1', 'fixed_by', ARGV.nonce)
end
if ARGV.denied ~= '' and (redis.call('HGET', KEYS.task, 'in_flight') or '0') == ARGV.denied then
  redis.call('HSET', KEYS.task, 'not_executed', ARGV.denied .. ' ' .. digits(math.min(now, tonumber(ARGV.said_at))))
end
return 'ok'
