-- Copies into the ledger a task that asynq archived without a verdict of ours, or
-- that a person archived.
-- The letter is unsure until it was compared with asynq again: somebody may have
-- run the task since asynq was read. Safe to execute twice.
--
-- KEYS: record, finish marker, index of the ledger, replication history
-- ARGV: task id, token of the sweep, time of death by asynq (ms, 0 for unknown),
--       type, queue, payload, headers, asynq's error, reason, when it was enqueued (ms, 0 for unknown),
--       by whom: the sweeper, or a person who archived it, reason in Chinese, and when that person did at the latest, or
--       when the task was seen not to be archived (ms): what died after it was not archived by that person
-- Returns: done (it has a finish marker), known (it is in the ledger), unsure
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 'done'
end
local now = redis_now()
local died = tonumber(ARGV[3])
if died == 0 or died > now then died = now end
local r = redis.call('HMGET', KEYS[1], 'payload', 'unsure', 'died', 'fix', 'state', 'in_flight', 'd_kind', 'by', 'unbegun', 'first')
local hand, by = by_hand(ARGV[11]), ARGV[11]
local nameless = by == 'by hand: unknown'
if nameless and r[2] and by_hand(r[8]) then by = r[8] end -- the sweep goes on with what was begun
-- What died as Ambiguous stays so: a late run proves nothing.
local kind = (r[7] == 'Ambiguous' or unaccounted(r[6], KEYS[4], ARGV[10], r[10])) and 'Ambiguous' or hand and 'Stopped' or 'Unknown'
if redis.call('ZSCORE', KEYS[3], ARGV[1]) and r[1] and not r[2] then
  local before = tonumber(r[3]) or 0
  -- It was run again since it died and, before it was begun, archived by a person.
  local stopped = hand and r[5] == 'dead' and before <= tonumber(ARGV[13]) and not (nameless and by_hand(r[8]))
  if stopped or r[5] ~= 'dead' and died + 1000 > before then -- asynq counts in seconds
    died = math.max(died, before + (stopped and 1 or 0)) -- which is another death
    if stopped and r[9] == r[3] then redis.call('HSET', KEYS[1], 'unbegun', died) end
    -- Run again since it died, and archived without a verdict. A correction that
    -- was not run yet is newer than what asynq has.
    local fields = {'kind', kind, 'reason', ARGV[9], 'reason_zh', ARGV[12], 'last_err', ARGV[8], 'by', by}
    ended(fields, KEYS[1], KEYS[3], ARGV[1], hand and 'stopped' or 'dead', died, r[3], kind, ARGV[9], ARGV[12])
    redis.call('HSET', KEYS[1], unpack(fields))
    if r[4] ~= '1' then
      redis.call('HSET', KEYS[1], 'type', ARGV[4], 'queue', ARGV[5], 'payload', ARGV[6], 'headers', ARGV[7])
    end
  end
  return 'known'
end
if not r[2] then
  redis.call('HSET', KEYS[1], 'prior_ttl', redis.call('PTTL', KEYS[1]))
end
redis.call('HSET', KEYS[1], 'unsure', ARGV[2], 'type', ARGV[4], 'queue', ARGV[5], 'payload', ARGV[6], 'headers', ARGV[7],
  'last_err', ARGV[8], 'died', died, 'by', r[5] == 'dead' and not hand and 'worker' or by)
if (not r[5] or r[5] == 'done') and kind ~= 'Ambiguous' then redis.call('HSET', KEYS[1], 'unbegun', died) end
redis.call('ZADD', KEYS[3], died, ARGV[1])
redis.call('PERSIST', KEYS[1])
return 'unsure'
