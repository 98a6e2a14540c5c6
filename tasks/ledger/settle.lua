-- Keeps or withdraws a letter that is unsure. A script that decided about the task meanwhile has
-- removed the token, and then this changes nothing.
--
-- Keys and arguments: settleKeys and settleArgs in deposit.go.
local r = redis.call('HMGET', KEYS.task, 'unsure', 'state', 'in_flight', 'prior_ttl', 'by', 'd_kind', 'first', 'died')
if r[1] ~= ARGV.token then
  return 0
end
redis.call('HDEL', KEYS.task, 'unsure', 'prior_ttl')
if ARGV.what == 'withdraw' or ARGV.what == 'unless done' and r[2] == 'done' then
  redis.call('ZREM', KEYS.dead, ARGV.id)
  forget_letter(KEYS.task)
  if (tonumber(r[4]) or 0) > 0 and redis.call('EXISTS', KEYS.task) == 1 then
    redis.call('PEXPIRE', KEYS.task, r[4])
  end
  return 1
end
local hand = by_hand(r[5])
if r[2] ~= 'dead' or hand then
  -- Nothing of ours judged it, or a person stopped it since. A write without an answer
  -- is ambiguous, whoever gave the task up.
  local open = unaccounted(r[3], KEYS.replication, ARGV.enqueued, r[7]) or r[2] == 'dead' and r[6] == 'Ambiguous'
  local kind = open and 'Ambiguous' or hand and 'Stopped' or 'Unknown'
  local fields = {'kind', kind, 'reason', ARGV.reason, 'reason_zh', ARGV.reason_zh}
  ended(fields, {
    id = ARGV.id, owner = ARGV.owner, as = hand and 'stopped' or 'dead', at = r[8], died = r[8], kind = kind, reason = ARGV.reason,
    reason_zh = ARGV.reason_zh,
  })
  redis.call('HSET', KEYS.task, unpack(fields))
end
return 1
