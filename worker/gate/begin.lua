-- Takes the lock of the subject and counts an attempt; returns the history by which the
-- verdict is made. Where the attempt's first request is told and nothing of the history
-- stands against it, permits it as well: that saves a round trip for nearly every task. Where
-- its turn comes later than it is waited for, nothing begins. Safe to execute twice:
-- the second execution finds its own token and changes nothing, also when it comes after
-- the attempt has left.
--
-- KEYS: record, finish marker, lock, replication history, tasks that are held for the merchant, pace, requests in flight,
--       and, where there is one, the finish marker of the task that undoes it
-- ARGV: attempt token, when it was enqueued (ms, 0 for unknown), start of the age clock by the task's headers
--       (ms, 0 for unknown), the worker's clock (ms), life of the lock (ms), task id, how often asynq took it back after
--       a failure, the lock of another counts whatever the clocks say (1/0); and, where it is told, the first request
--       (9, see request.lua), for how long it is waited for in place (µs), and why it waits else in English and in Chinese
-- Returns: status (0 go on, 1 finished, 2 the lock is held, 3 its turn comes later), rest of the lock's life when it is held,
--          attempts, crashes, age, holds, stale, how often a write was repeated that is still unanswered,
--          time since the last unanswered write (-1 for none) by Redis' clock, the same by the worker's clock,
--          time since Redis may have lost marks of this task (-1 for never), the mark of that write (0 for none),
--          whether the request is answered here (1/0), how long it has to wait (µs, 0: go), why, whether it is
--          the first one after its keys were refused (1/0), and the interval that others keep (µs, 0 for none that is
--          longer); time since a person said that the write did not happen (-1 for never), and whether the task is undone (1/0)
local request = 9 -- where it begins
local now, caller = redis_now(), tonumber(ARGV[4])
local function nothing(status, left)
  return {status, left, 0, 0, 0, 0, 0, 0, -1, -1, -1, 0, 0, 0, 0, 0, 0, -1, 0}
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return nothing(1, 0)
end
local mine = place_of(ARGV[request + 3] or IN_LINE)
local r = redis.call('HMGET', KEYS[1], 'token', 'state', 'attempts', 'crashes', 'since', 'paused', 'paused_at', 'holds', 'stale',
  'in_flight', 'sent_at', 'repeated', 'left', 'marked', mine, 'first', 'not_executed')
local token, state = r[1] or '', r[2] or ''
local again = token == ARGV[1]
local holder, by_redis, by_sender = lock_of(KEYS[3])
if r[13] == ARGV[1] then
  return nothing(2, 0)
end
if holder and holder ~= ARGV[1] then
  local left = lock_left(by_redis, by_sender, now, caller)
  if left > 0 or ARGV[8] == '1' then
    return nothing(2, left)
  end
end
local attempts, crashes = tonumber(r[3]) or 0, tonumber(r[4]) or 0
local since, paused, paused_at = tonumber(r[5]) or 0, tonumber(r[6]) or 0, tonumber(r[7]) or 0
local holds, stale = tonumber(r[8]) or 0, tonumber(r[9]) or 0
-- A request may land for ten minutes after its stamp, which is by the sender's
-- clock and may lie ahead of ours.
local sent_redis, sent_caller, marked = -1, -1, tonumber(r[10])
if again and r[14] == ARGV[1] then marked = nil end -- by the first execution
local since_word, about, said = -1, string.match(r[17] or '', '^(%d+) (%d+)$')
if marked and about == r[10] then since_word = math.max(0, now - said) end
local undone = false
if KEYS[8] then -- proven, and not only a person's word that it is not needed any more
  undone = string.match(redis.call('GET', KEYS[8]) or '', '^%d+$') ~= nil
end
if marked then
  local stamp = tonumber(r[11]) or 0
  local least = math.max(0, now - marked - 86400000) -- a clock that is years ahead must not hold the task as long
  sent_redis = math.max(least, now - math.max(marked, stamp))
  sent_caller = math.max(least, caller - stamp)
end
if not again then
  if state == 'dead' or state == 'done' then
    -- Run from the dashboard, replayed or asked anew: a fresh budget. A write in
    -- flight stays so; only proof removes it.
    attempts, crashes, holds, stale, paused, paused_at = 0, 0, 0, 0, 0, 0
    since = now
  elseif token ~= '' then
    crashes = crashes + 1 -- the attempt before this one never left
  elseif state == '' and ARGV[7] ~= '0' then
    attempts, crashes = attempts + 1, crashes + 1 -- it never came here
  end
  if since == 0 then
    since = tonumber(ARGV[3])
    if since == 0 or since > now then since = now end
  end
end
local lost, changed = -1, lost_writes(KEYS[4], now)
if older_than_loss(changed, ARGV[2], tonumber(r[16]) or now) then
  lost = math.max(0, now - changed)
end
local answered, wait, place, why, probes, keeps, strict = false, 0, 0, 0, false, false, 0
-- What comes late is no request any more: nobody would send it.
if ARGV[request] and crashes == 0 and not marked and lost < 0 and not undone and math.abs(now - caller) < 10000 then
  answered = true
  wait, place, why, probes, strict = permission_of(request, KEYS[6], KEYS[7], tonumber(r[15]) or 0, 0)
  keeps = wait > 0 and place > 0
end
if not again and wait > 0 and why == TURN and wait > tonumber(ARGV[request + 9]) and (state == '' or state == 'queued') then
  local fields = {
    'state', 'queued', 'since', since, 'paused_at', paused_at > 0 and paused_at or now, 'last', now, 'next', now + math.floor(wait / 1000), 'stale', 0,
    'kind', 'Throttled', 'reason', ARGV[request + 10], 'reason_zh', ARGV[request + 11], 'http_status', 0, 'trans_code', 0, 'rtn_code', 0, 'rtn_msg', '',
  }
  if keeps then fields[#fields + 1], fields[#fields + 2] = mine, place end
  if not r[16] then fields[#fields + 1], fields[#fields + 2] = 'first', now end
  redis.call('HSET', KEYS[1], unpack(fields))
  return {3, 0, attempts, 0, 0, holds, 0, 0, -1, -1, -1, 0, 1, wait, why, 0, strict, -1, 0}
end
if holder ~= ARGV[1] then
  local life = tonumber(ARGV[5])
  redis.call('SET', KEYS[3], string.format('%s %.0f %.0f', ARGV[1], now + life, caller + life), 'PX', life + 86400000)
end
local fields, at = {}, digits(now)
if not again then
  if state == 'held' or state == 'queued' then redis.call('ZREM', KEYS[5], ARGV[6]) end
  if paused_at > 0 then
    paused, paused_at = paused + math.max(0, now - paused_at), 0
  end
  attempts = attempts + 1
  fields = {'token', ARGV[1], 'state', 'active', 'attempts', attempts, 'since', since, 'last', at}
  changed_to(fields, 'crashes', crashes, r[4])
  changed_to(fields, 'paused', paused, r[6])
  changed_to(fields, 'paused_at', paused_at, r[7])
  changed_to(fields, 'holds', holds, r[8])
  changed_to(fields, 'stale', stale, r[9])
  if not r[16] then fields[#fields + 1], fields[#fields + 2] = 'first', at end
  if state ~= '' or r[13] then redis.call('PERSIST', KEYS[1]) end
end
if keeps then
  fields[#fields + 1], fields[#fields + 2] = mine, place
elseif answered and wait == 0 then
  if r[15] then redis.call('HDEL', KEYS[1], 'place', 'place_ahead', 'woken') end
  mark(request, fields, at)
end
if #fields > 0 then redis.call('HSET', KEYS[1], unpack(fields)) end
return {0, 0, attempts, crashes, math.max(0, now - since - paused), holds, stale, tonumber(r[12]) or 0, sent_redis, sent_caller, lost,
  marked or 0, answered and 1 or 0, wait, why, probes and 1 or 0, strict, since_word, undone and 1 or 0}
