-- Copies into the ledger a task that asynq archived without a verdict of ours, or
-- that a person archived.
-- The letter is unsure until it was compared with asynq again: somebody may have
-- run the task since asynq was read. Safe to execute twice.
--
-- Keys and arguments: depositKeys and depositArgs in deposit.go.
-- Returns: done (it has a finish marker), known (it is in the ledger), stopping (a cancel of it is on its way, or did not end), unsure
if redis.call('EXISTS', KEYS.done) == 1 then
  return 'done'
end
local now = redis_now()
local died = tonumber(ARGV.died)
if died == 0 or died > now then died = now end
local r = FIELDS(KEYS.task, 'payload', 'unsure', 'died', 'fix', 'state', 'in_flight', 'd_kind', 'by', 'unbegun', 'first')
local hand, by = by_hand(ARGV.by), ARGV.by
local nameless = by == 'by hand: unknown'
if nameless and r.unsure and by_hand(r.by) then
  -- An earlier deposit of the same act, which did not end, had the name, and by Redis' clock the time. Were it
  -- dated by asynq's, which may be earlier, that deposit would take its own act for another one when its
  -- client repeats it.
  by, died = r.by, math.max(died, tonumber(r.died) or 0)
end
if r.unsure and r.state == 'stopping' and redis.call('ZSCORE', KEYS.dead, ARGV.id) then
  if hand and not nameless and r.by == 'by hand: unknown' then redis.call('HSET', KEYS.task, 'by', by) end
  return 'stopping' -- the letter is right, and whoever cancels the task has read it
end
-- What died as Ambiguous stays so: a late run proves nothing.
local kind = hand and 'Stopped' or 'Unknown'
if r.d_kind == 'Ambiguous' or unaccounted(r.in_flight, KEYS.replication, ARGV.enqueued, r.first) then kind = 'Ambiguous' end
if redis.call('ZSCORE', KEYS.dead, ARGV.id) and r.payload and not r.unsure then
  local before = tonumber(r.died) or 0
  -- It was run again since it died and, before it was begun, archived by a person.
  -- A sweep's or a replay's deposit has when that was from asynq, which counts in seconds: it may be the same act.
  local rounded = r.by == 'by hand: unknown' and 1000 or 0
  local stopped = hand and r.state == 'dead' and before + rounded <= tonumber(ARGV.since) and not (nameless and by_hand(r.by))
  if stopped or r.state ~= 'dead' and died + 1000 > before then -- asynq counts in seconds
    died = math.max(died, before + (stopped and 1 or 0)) -- which is another death
    if stopped and r.unbegun == r.died then redis.call('HSET', KEYS.task, 'unbegun', died) end
    -- Run again since it died, and archived without a verdict. A correction that
    -- was not run yet is newer than what asynq has.
    local fields = {'kind', kind, 'reason', ARGV.reason, 'reason_zh', ARGV.reason_zh, 'last_err', ARGV.last_err, 'by', by}
    ended(fields, {
      id = ARGV.id, owner = ARGV.owner, as = hand and 'stopped' or 'dead', at = died, died = r.died, kind = kind, reason = ARGV.reason,
      reason_zh = ARGV.reason_zh, known = r.state == 'dead' and by_hand(r.by), -- it was not begun since a person stopped it
    })
    redis.call('HSET', KEYS.task, unpack(fields))
    if r.fix ~= '1' then
      redis.call('HSET', KEYS.task, 'type', ARGV.type, 'queue', ARGV.queue, 'payload', ARGV.payload, 'headers', ARGV.headers)
    end
  end
  return 'known'
end
if not r.unsure then
  redis.call('HSET', KEYS.task, 'prior_ttl', redis.call('PTTL', KEYS.task))
end
redis.call('HSET', KEYS.task, 'unsure', ARGV.token, 'type', ARGV.type, 'queue', ARGV.queue,
  'payload', ARGV.payload, 'headers', ARGV.headers, 'last_err', ARGV.last_err,
  'died', died, 'by', r.state == 'dead' and not hand and 'worker' or by)
if (not r.state or r.state == 'done') and kind ~= 'Ambiguous' then redis.call('HSET', KEYS.task, 'unbegun', died) end
redis.call('ZADD', KEYS.dead, died, ARGV.id)
redis.call('PERSIST', KEYS.task)
return 'unsure'
