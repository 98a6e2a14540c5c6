-- Records how an attempt ended. Proof of an effect is recorded whatever attempt
-- brings it; any other result only by the attempt that is current. Safe to
-- execute twice.
--
-- Keys and arguments: leaveKeys and leaveArgs in scripts.go. Returns 1, or 0 when the attempt is over.
local now = redis_now()
local r = FIELDS(KEYS.task,
  'token', 'left', 'attempts', 'holds', 'stale', 'marked', 'in_flight', 'died', 'paused_at', 'next', 'kind', 'state')
if lock_of(KEYS.lock) == ARGV.token then
  redis.call('DEL', KEYS.lock)
end
local delay = ARGV.delay or '0'
request_over(KEYS.pace, KEYS.flight, ARGV.token, tonumber(ARGV.banned) or 0, ARGV.ban_why)
if (r.token or '') ~= ARGV.token and ARGV.state ~= 'done' then
  if ARGV.unsure == '1' then redis.call('HSET', KEYS.task, 'left', ARGV.token) end -- a begin.lua that comes late must not begin it
  return r.left == ARGV.token and 1 or 0
end
local holds = tonumber(r.holds) or 0
if ARGV.state == 'held' then
  holds = holds + 1
elseif ARGV.state ~= 'queued' then
  holds = 0
end
local at = digits(now)
local fields = {'left', ARGV.token, 'token', '', 'last', at}
changed_to(fields, 'next', delay == '0' and 0 or now + delay, r.next)
changed_to(fields, 'attempts', (tonumber(r.attempts) or 0) - (ARGV.spends == '0' and 1 or 0), r.attempts)
changed_to(fields, 'holds', holds, r.holds)
changed_to(fields, 'stale', ARGV.stale == '1' and (tonumber(r.stale) or 0) + 1 or 0, r.stale)
changed_to(fields, 'paused_at', ARGV.pauses == '1' and now or 0, r.paused_at)
local told = {
  'kind', ARGV.kind, 'http_status', ARGV.http_status, 'trans_code', ARGV.trans_code, 'rtn_code', ARGV.rtn_code, 'rtn_msg', ARGV.rtn_msg,
  'reason', ARGV.reason, 'reason_zh', ARGV.reason_zh, 'result', ARGV.result,
}
if ARGV.state == 'dead' then
  for _, v in ipairs({'by', ARGV.by, 'type', ARGV.type, 'queue', ARGV.queue}) do told[#told + 1] = v end
  local f = FIELDS(KEYS.task, 'fix', 'payload')
  if f.fix ~= '1' or f.payload == ARGV.payload then -- else a correction waits to be run, and this was not it
    for _, v in ipairs({'headers', ARGV.headers, 'payload', ARGV.payload}) do told[#told + 1] = v end
    redis.call('HDEL', KEYS.task, 'fix')
  end
  redis.call('HDEL', KEYS.task, 'unsure', 'prior_ttl', 'last_err')
end
if ARGV.state == 'dead' or ARGV.state == 'done' then
  -- A second execution ends nothing again, and a task that is done is not done again by what another
  -- attempt proves late. The finish marker outlives the record.
  local known = r.left == ARGV.token or ARGV.state == 'done' and (r.state == 'done' or not r.state and redis.call('EXISTS', KEYS.done) == 1)
  ended(fields, {
    id = ARGV.id, owner = ARGV.owner, as = ARGV.state, at = at, died = r.died, never = r.state and not r.died,
    kind = ARGV.kind, reason = ARGV.reason, reason_zh = ARGV.reason_zh, rtn_code = ARGV.rtn_code, rtn_msg = ARGV.rtn_msg,
    http_status = ARGV.http_status, trans_code = ARGV.trans_code, result = ARGV.result, keep = ARGV.outcomes_for,
    known = known or ARGV.silent == '1',
  })
else
  fields[#fields + 1], fields[#fields + 2] = 'state', ARGV.state
end
for i = 1, #told, 2 do
  if r.kind or told[i + 1] ~= '' and told[i + 1] ~= '0' then -- a record that never had a result needs no field for an empty value
    fields[#fields + 1], fields[#fields + 2] = told[i], told[i + 1]
  end
end
redis.call('HSET', KEYS.task, unpack(fields))
if (ARGV.invoice or '') ~= '' then
  issued(KEYS.of_task, {
    id = ARGV.of, owner = ARGV.owner, keep = ARGV.outcomes_for, invoice = ARGV.invoice,
    life = ARGV.retention, known = r.left == ARGV.token,
  })
end
if ARGV.held == '1' then
  redis.call('ZADD', KEYS.held_tasks, now + delay, ARGV.id)
end
if ARGV.settled == '1' then
  -- This settles a write that this attempt sent, or found, and no later one: the script may be
  -- executed a second time, late.
  if ARGV.state == 'done' or r.marked == ARGV.token or r.in_flight == ARGV.mark then
    forget_write(KEYS.task)
  end
end
if ARGV.record_ttl ~= '0' then
  redis.call('PEXPIRE', KEYS.task, ARGV.record_ttl)
end
if ARGV.done_ttl ~= '0' then
  redis.call('SET', KEYS.done, at, 'PX', ARGV.done_ttl)
end
return 1
