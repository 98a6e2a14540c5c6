-- Ends the doubt about a letter. Whatever was decided about the task meanwhile
-- has removed the token, so that this changes nothing then.
--
-- KEYS: record, index of the ledger, replication history
-- ARGV: task id, token of the sweep, "keep" or "withdraw" or "unless done", reason, when it was enqueued (ms, 0 for unknown),
--       reason in Chinese
local r = redis.call('HMGET', KEYS[1], 'unsure', 'state', 'in_flight', 'prior_ttl', 'by', 'd_kind', 'first', 'died')
if r[1] ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], 'unsure', 'prior_ttl')
if ARGV[3] == 'withdraw' or ARGV[3] == 'unless done' and r[2] == 'done' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  forget_letter(KEYS[1])
  if (tonumber(r[4]) or 0) > 0 and redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('PEXPIRE', KEYS[1], r[4])
  end
  return 1
end
local hand = by_hand(r[5])
if r[2] ~= 'dead' or hand then
  -- Nothing of ours judged it, or a person stopped it since. A write without an answer
  -- is ambiguous, whoever gave the task up.
  local open = unaccounted(r[3], KEYS[3], ARGV[5], r[7]) or r[2] == 'dead' and r[6] == 'Ambiguous'
  local kind = open and 'Ambiguous' or hand and 'Stopped' or 'Unknown'
  local fields = {'kind', kind, 'reason', ARGV[4], 'reason_zh', ARGV[6]}
  ended(fields, KEYS[1], KEYS[2], ARGV[1], hand and 'stopped' or 'dead', r[8], r[8], kind, ARGV[4], ARGV[6])
  redis.call('HSET', KEYS[1], unpack(fields))
end
return 1
