-- Takes the lock of the subject and counts an attempt; returns the history by which the verdict
-- is made. If the call tells the attempt's first request, and the history has no crash, no write
-- in flight, no lost mark and no task that undid this one, permits the request as well: that
-- saves a round trip for nearly every task. If the request's turn comes later than the attempt
-- waits for in place, nothing begins. Safe to execute twice: the second execution finds its own
-- token and changes nothing, also when it comes after the attempt has left.
--
-- Keys, arguments and answer: beginKeys, beginArgs and beginAnswer in scripts.go.
local GO_ON, FINISHED, LOCKED, LATER, CANCELLED = 0, 1, 2, 3, 4 -- the constants there
local now, caller = redis_now(), tonumber(ARGV.clock)
if redis.call('EXISTS', KEYS.done) == 1 then return ANSWER{status = FINISHED} end
local mine = place_of(ARGV.rank or IN_LINE)
local r = FIELDS(KEYS.task, 'token', 'state', 'attempts', 'crashes', 'since', 'paused', 'paused_at', 'holds', 'stale',
  'in_flight', 'sent_at', 'repeated', 'left', 'marked', mine, 'first', 'not_executed', 'd_kind', 'cancelled')
local token, state = r.token or '', r.state or ''
local again = token == ARGV.token
local holder, by_redis, by_sender = lock_of(KEYS.lock)
if r.left == ARGV.token then return ANSWER{status = LOCKED} end
-- This enqueue was cancelled, or one with its nonce: begin.go finds out which.
if r.cancelled and r.cancelled ~= '' and r.cancelled == ARGV.nonce then return ANSWER{status = CANCELLED} end
if holder and holder ~= ARGV.token then
  local left = lock_left(by_redis, by_sender, now, caller)
  if left > 0 or ARGV.standing == '1' then
    return ANSWER{status = LOCKED, lock_left = left}
  end
end
local attempts, crashes = tonumber(r.attempts) or 0, tonumber(r.crashes) or 0
local since, paused, paused_at = tonumber(r.since) or 0, tonumber(r.paused) or 0, tonumber(r.paused_at) or 0
local holds, stale = tonumber(r.holds) or 0, tonumber(r.stale) or 0
-- A request may land for ten minutes after its stamp, which is by the sender's
-- clock and may lie ahead of ours.
local sent_redis, sent_caller, marked = -1, -1, tonumber(r.in_flight)
if again and r.marked == ARGV.token then marked = nil end -- by the first execution
local since_word = -1
if r.not_executed then
  local about, said = string.match(r.not_executed, '^(%d+) (%d+)$')
  if about == (r.in_flight or '0') then since_word = math.max(0, now - said) end
end
local undone = false
if KEYS.undone_by then -- proven, and not only a person's word that it is not needed any more
  local by = redis.call('GET', KEYS.undone_by)
  undone = by and string.match(by, '^%d+$') ~= nil
end
if marked then
  local stamp = tonumber(r.sent_at) or 0
  local least = math.max(0, now - marked - DAY) -- a clock that is years ahead must not hold the task as long
  sent_redis = math.max(least, now - math.max(marked, stamp))
  sent_caller = math.max(least, caller - stamp)
end
if not again then
  if state == 'dead' or state == 'done' or state == 'stopping' then
    -- Run from the dashboard, replayed or asked anew: a fresh budget. A write in
    -- flight stays so; only proof removes it.
    attempts, crashes, holds, stale, paused, paused_at = 0, 0, 0, 0, 0, 0
    since = now
  elseif token ~= '' then
    crashes = crashes + 1 -- the attempt before this one never left
  elseif state == '' and ARGV.failed ~= '0' then
    attempts, crashes = attempts + 1, crashes + 1 -- an earlier run failed before it was counted here
  end
  if since == 0 then
    since = tonumber(ARGV.start)
    if since == 0 or since > now then since = now end
  end
end
local lost, changed = -1, lost_writes(KEYS.replication, now)
if older_than_loss(changed, ARGV.enqueued, tonumber(r.first) or now) then
  lost = math.max(0, now - changed)
end
local answered, wait, place, why, probes, keeps, strict = false, 0, 0, 0, false, false, 0
-- A call that arrives ten seconds late permits nothing: nobody waits for it any more.
if ARGV.request and crashes == 0 and not marked and lost < 0 and not undone and math.abs(now - caller) < 10000 then
  answered = true
  wait, place, why, probes, strict = permission_of(tonumber(r.mine) or 0, 0)
  keeps = wait > 0 and place > 0
end
if not again and wait > 0 and why == TURN and wait > tonumber(ARGV.longest) and (state == '' or state == 'queued') then
  local fields = {
    'state', 'queued', 'since', since, 'paused_at', paused_at > 0 and paused_at or now,
    'last', now, 'next', now + math.floor(wait / 1000), 'stale', 0,
    'kind', 'Throttled', 'reason', ARGV.reason, 'reason_zh', ARGV.reason_zh,
    'http_status', 0, 'trans_code', 0, 'rtn_code', 0, 'rtn_msg', '',
  }
  if keeps then fields[#fields + 1], fields[#fields + 2] = mine, place end
  if not r.first then fields[#fields + 1], fields[#fields + 2] = 'first', now end
  redis.call('HSET', KEYS.task, unpack(fields))
  return ANSWER{status = LATER, attempts = attempts, holds = holds, is_answered = 1, wait = wait, why = why, stricter = strict}
end
if holder ~= ARGV.token then
  local life = tonumber(ARGV.lock_life)
  redis.call('SET', KEYS.lock, string.format('%s %d %d', ARGV.token, now + life, caller + life), 'PX', digits(life + DAY))
end
local fields, at = {}, digits(now)
if not again then
  if state == 'held' or state == 'queued' then redis.call('ZREM', KEYS.held, ARGV.id) end
  if paused_at > 0 then
    paused, paused_at = paused + math.max(0, now - paused_at), 0
  end
  attempts = attempts + 1
  fields = {'token', ARGV.token, 'state', 'active', 'attempts', digits(attempts), 'since', digits(since), 'last', at}
  changed_to(fields, 'crashes', crashes, r.crashes)
  changed_to(fields, 'paused', paused, r.paused)
  changed_to(fields, 'paused_at', paused_at, r.paused_at)
  changed_to(fields, 'holds', holds, r.holds)
  changed_to(fields, 'stale', stale, r.stale)
  if not r.first then fields[#fields + 1], fields[#fields + 2] = 'first', at end
  if state ~= '' or r.left then redis.call('PERSIST', KEYS.task) end
end
if keeps then
  fields[#fields + 1], fields[#fields + 2] = mine, place
elseif answered and wait == 0 then
  if r.mine then redis.call('HDEL', KEYS.task, 'place', 'place_ahead', 'woken') end
  mark(fields, at)
end
if not again and (state == 'done' or state == 'dead' and r.d_kind) then -- that end is over, and a letter says itself what it died of
  local over = {'http_status', 0, 'trans_code', 0, 'rtn_code', 0, 'rtn_msg', '', 'reason', '', 'reason_zh', '', 'result', ''}
  for i = 1, #over do fields[#fields + 1] = over[i] end
  redis.call('HDEL', KEYS.task, 'resolved_by', 'note', 'cancelled')
end
if #fields > 0 then redis.call('HSET', KEYS.task, unpack(fields)) end
return ANSWER{
  status = GO_ON, attempts = attempts, crashes = crashes, age = math.max(0, now - since - paused), holds = holds, stale = stale,
  repeated = tonumber(r.repeated) or 0, since_sent = sent_redis, since_sent_here = sent_caller, since_lost = lost, mark = marked or 0,
  since_word = since_word, is_undone = undone and 1 or 0,
  is_answered = answered and 1 or 0, wait = wait, why = why, is_probe = probes and 1 or 0, stricter = strict,
}
