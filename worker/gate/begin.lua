-- Takes the lock of the subject and counts an attempt, before anything of the
-- task is decoded; returns the history by which the verdict is made. Safe to
-- execute twice: the second execution finds its own token and changes nothing,
-- also when it comes after the attempt has left.
--
-- KEYS: record, finish marker, lock, replication history, tasks that are held for the merchant
-- ARGV: attempt token, when it was enqueued (ms, 0 for unknown), start of the age clock by the task's headers
--       (ms, 0 for unknown), the worker's clock (ms), life of the lock (ms), task id
-- Returns: status (0 go on, 1 finished, 2 the lock is held), rest of the lock's life when it is held,
--          attempts, crashes, age, holds, stale, how often a write was repeated that is still unanswered,
--          time since the last unanswered write (-1 for none) by Redis' clock, the same by the worker's clock,
--          time since Redis may have lost marks of this task (-1 for never), the mark of that write (0 for none)
local now, caller = redis_now(), tonumber(ARGV[4])
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {1, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, 0}
end
local r = redis.call('HMGET', KEYS[1], 'token', 'state', 'attempts', 'crashes', 'since', 'paused', 'paused_at', 'holds', 'stale',
  'in_flight', 'sent_at', 'repeated', 'left')
local token, state = r[1] or '', r[2] or ''
local holder, by_redis, by_sender = lock_of(KEYS[3])
if r[13] == ARGV[1] then
  return {2, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, 0}
end
if holder ~= ARGV[1] then
  local left = 0
  if holder then left = lock_left(by_redis, by_sender, now, caller) end
  if left > 0 then
    return {2, left, 0, 0, 0, 0, 0, 0, -1, -1, -1, 0}
  end
  local life = tonumber(ARGV[5])
  redis.call('SET', KEYS[3], string.format('%s %.0f %.0f', ARGV[1], now + life, caller + life), 'PX', life + 86400000)
end
local attempts, crashes = tonumber(r[3]) or 0, tonumber(r[4]) or 0
local since, paused, paused_at = tonumber(r[5]) or 0, tonumber(r[6]) or 0, tonumber(r[7]) or 0
local holds, stale = tonumber(r[8]) or 0, tonumber(r[9]) or 0
-- A request may land for ten minutes after its stamp, which is by the sender's
-- clock and may lie ahead of ours.
local sent_redis, sent_caller = -1, -1
if tonumber(r[10]) then
  local marked, stamp = tonumber(r[10]), tonumber(r[11]) or 0
  local least = math.max(0, now - marked - 86400000) -- a clock that is years ahead must not hold the task as long
  sent_redis = math.max(least, now - math.max(marked, stamp))
  sent_caller = math.max(least, caller - stamp)
end
if token ~= ARGV[1] then
  if state == 'dead' or state == 'done' then
    -- Run from the dashboard, replayed or asked anew: a fresh budget. A write in
    -- flight stays so; only proof removes it.
    attempts, crashes, holds, stale, paused, paused_at = 0, 0, 0, 0, 0, 0
    since = now
  elseif token ~= '' then
    crashes = crashes + 1 -- the attempt before this one never left
  end
  if state == 'held' or state == 'queued' then redis.call('ZREM', KEYS[5], ARGV[6]) end
  if paused_at > 0 then
    paused, paused_at = paused + math.max(0, now - paused_at), 0
  end
  if since == 0 then
    since = tonumber(ARGV[3])
    if since == 0 or since > now then since = now end
  end
  attempts = attempts + 1
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'state', 'active', 'attempts', attempts, 'crashes', crashes,
    'since', since, 'paused', paused, 'paused_at', paused_at, 'holds', holds, 'stale', stale, 'last', now)
  redis.call('HSETNX', KEYS[1], 'first', now)
  redis.call('PERSIST', KEYS[1])
end
local lost, changed = -1, lost_writes(KEYS[4], now)
if older_than_loss(changed, ARGV[2]) then
  lost = math.max(0, now - changed)
end
return {0, 0, attempts, crashes, math.max(0, now - since - paused), holds, stale, tonumber(r[12]) or 0, sent_redis, sent_caller, lost,
  tonumber(r[10]) or 0}
