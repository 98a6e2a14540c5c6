-- Takes the lock of the subject and counts an attempt, before anything of the
-- task is decoded; returns the history by which the verdict is made. Safe to
-- execute twice: the second execution finds its own token and changes nothing.
--
-- KEYS: record, finish marker, lock
-- ARGV: attempt token, start of the age clock by the task's headers (ms, 0 for unknown), life of the lock (ms)
-- Returns: status (0 go on, 1 finished, 2 the lock is held), attempts, crashes, age, holds, stale,
--          time since the last unanswered write by Redis' clock (-1 for none), when it was sent by the sender's clock,
--          rest of the lock's life when it is held, how often a write was repeated that is still unanswered
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {1, 0, 0, 0, 0, 0, -1, 0, 0, 0}
end
if not redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[3]) and redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return {2, 0, 0, 0, 0, 0, -1, 0, redis.call('PTTL', KEYS[3]), 0}
end
local r = redis.call('HMGET', KEYS[1], 'token', 'state', 'attempts', 'crashes', 'since', 'paused', 'paused_at', 'holds', 'stale', 'in_flight', 'sent_at', 'repeated')
local token, state = r[1] or '', r[2] or ''
local attempts, crashes = tonumber(r[3]) or 0, tonumber(r[4]) or 0
local since, paused, paused_at = tonumber(r[5]) or 0, tonumber(r[6]) or 0, tonumber(r[7]) or 0
local holds, stale = tonumber(r[8]) or 0, tonumber(r[9]) or 0
local since_sent = -1
if tonumber(r[10]) then since_sent = math.max(0, now - tonumber(r[10])) end
if token ~= ARGV[1] then
  if state == 'dead' or state == 'done' then
    -- Run from the dashboard, replayed or asked anew: a fresh budget. A write in
    -- flight stays so; only proof removes it.
    attempts, crashes, holds, stale, paused, paused_at = 0, 0, 0, 0, 0, 0
    since = now
  elseif token ~= '' then
    crashes = crashes + 1 -- the attempt before this one never left
  end
  if paused_at > 0 then
    paused, paused_at = paused + math.max(0, now - paused_at), 0
  end
  if since == 0 then
    since = tonumber(ARGV[2])
    if since == 0 or since > now then since = now end
  end
  attempts = attempts + 1
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'state', 'active', 'attempts', attempts, 'crashes', crashes,
    'since', since, 'paused', paused, 'paused_at', paused_at, 'holds', holds, 'stale', stale, 'last', now)
  redis.call('HSETNX', KEYS[1], 'first', now)
  redis.call('PERSIST', KEYS[1])
end
return {0, attempts, crashes, math.max(0, now - since - paused), holds, stale, since_sent, tonumber(r[11]) or 0, 0, tonumber(r[12]) or 0}
