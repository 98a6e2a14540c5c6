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
local r = redis.call('HMGET', KEYS.task, 'payload', 'unsure', 'died', 'fix', 'state', 'in_flight', 'd_kind', 'by', 'unbegun', 'first')
local hand, by = by_hand(ARGV.by), ARGV.by
local nameless = by == 'by hand: unknown'
if nameless and r[2] and by_hand(r[8]) then
  -- An earlier deposit of the same act, which did not end, had the name, and by Redis' clock the time. Were it
  -- dated by asynq's, which may be earlier, that deposit would take its own act for another one when its
  -- client repeats it.
  by, died = r[8], math.max(died, tonumber(r[3]) or 0)
end
if r[2] and r[5] == 'stopping' and redis.call('ZSCORE', KEYS.dead, ARGV.id) then
  if hand and not nameless and r[8] == 'by hand: unknown' then redis.call('HSET', KEYS.task, 'by', by) end
  return 'stopping' -- the letter is right, and whoever cancels the task has read it
end
-- What died as Ambiguous stays so: a late run proves nothing.
local kind = hand and 'Stopped' or 'Unknown'
if r[7] == 'Ambiguous' or unaccounted(r[6], KEYS.replication, ARGV.enqueued, r[10]) then kind = 'Ambiguous' end
if redis.call('ZSCORE', KEYS.dead, ARGV.id) and r[1] and not r[2] then
  local before = tonumber(r[3]) or 0
  -- It was run again since it died and, before it was begun, archived by a person.
  -- A sweep's or a replay's deposit has when that was from asynq, which counts in seconds: it may be the same act.
  local rounded = r[8] == 'by hand: unknown' and 1000 or 0
  local stopped = hand and r[5] == 'dead' and before + rounded <= tonumber(ARGV.since) and not (nameless and by_hand(r[8]))
  if stopped or r[5] ~= 'dead' and died + 1000 > before then -- asynq counts in seconds
    died = math.max(died, before + (stopped and 1 or 0)) -- which is another death
    if stopped and r[9] == r[3] then redis.call('HSET', KEYS.task, 'unbegun', died) end
    -- Run again since it died, and archived without a verdict. A correction that
    -- was not run yet is newer than what asynq has.
    local fields = {'kind', kind, 'reason', ARGV.reason, 'reason_zh', ARGV.reason_zh, 'last_err', ARGV.last_err, 'by', by}
    ended(fields, {
      id = ARGV.id, owner = ARGV.owner, as = hand and 'stopped' or 'dead', at = died, died = r[3], kind = kind, reason = ARGV.reason,
      reason_zh = ARGV.reason_zh, known = r[5] == 'dead' and by_hand(r[8]), -- it was not begun since a person stopped it
    })
    redis.call('HSET', KEYS.task, unpack(fields))
    if r[4] ~= '1' then
      redis.call('HSET', KEYS.task, 'type', ARGV.type, 'queue', ARGV.queue, 'payload', ARGV.payload, 'headers', ARGV.headers)
    end
  end
  return 'known'
end
if not r[2] then
  redis.call('HSET', KEYS.task, 'prior_ttl', redis.call('PTTL', KEYS.task))
end
redis.call('HSET', KEYS.task, 'unsure', ARGV.token, 'type', ARGV.type, 'queue', ARGV.queue,
  'payload', ARGV.payload, 'headers', ARGV.headers, 'last_err', ARGV.last_err,
  'died', died, 'by', r[5] == 'dead' and not hand and 'worker' or by)
if (not r[5] or r[5] == 'done') and kind ~= 'Ambiguous' then redis.call('HSET', KEYS.task, 'unbegun', died) end
redis.call('ZADD', KEYS.dead, died, ARGV.id)
redis.call('PERSIST', KEYS.task)
return 'unsure'
