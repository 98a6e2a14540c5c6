-- Keeps or withdraws a letter that is unsure. A script that decided about the task meanwhile has
-- removed the token, and then this changes nothing.
--
-- What is being cancelled has not ended before the cancel does, which is its end (resolve.lua). Until
-- then the letter is kept, is unsure still, and is noted so: a cancel that did not get to its end is
-- ended by whoever comes here later. So is one that lost to a replay, which has claimed the letter.
--
-- Keys and arguments: settleKeys and settleArgs in deposit.go.
-- Returns: 1, or 0 when it is not unsure any more; 2 when it is unsure still, and its note stays
local r = FIELDS(KEYS.task, 'unsure', 'state', 'in_flight', 'prior_ttl', 'by', 'd_kind', 'first', 'died', 'unbegun', 'revived')
if r.unsure ~= ARGV.token then
  return r.unsure and 2 or 0
end
local state = r.state
if ARGV.what == 'withdraw' or ARGV.what == 'unless done' and state == 'done' then
  redis.call('HDEL', KEYS.task, 'unsure', 'prior_ttl')
  redis.call('ZREM', KEYS.dead, ARGV.id)
  forget_letter(KEYS.task)
  if state == 'stopping' then -- it waits again and was never begun: what is left is of an earlier task of the same id
    redis.call('HDEL', KEYS.task, 'state', 'attempts', 'crashes', 'holds', 'stale', 'since', 'paused', 'paused_at', 'repeated', 'repeats')
    forget_end(KEYS.task)
  end
  if (tonumber(r.prior_ttl) or 0) > 0 and redis.call('EXISTS', KEYS.task) == 1 then
    redis.call('PEXPIRE', KEYS.task, r.prior_ttl)
  end
  return 1
end
local hand = by_hand(r.by)
local judges = state ~= 'dead' or hand
-- Nothing of ours judged it, or a person stopped it since. A write without an answer
-- is ambiguous, whoever gave the task up.
local open = judges and unaccounted(r.in_flight, KEYS.replication, ARGV.enqueued, r.first) or state == 'dead' and r.d_kind == 'Ambiguous'
local unbegun = not state or state == 'done' or state == 'stopping'
if hand and unbegun and not open and r.unbegun == r.died and r.revived ~= r.died and redis.call('EXISTS', KEYS.cancel) == 1 then
  if ARGV.what == 'keep' and state ~= 'stopping' then -- asynq has it since the letter was written
    redis.call('HSET', KEYS.task, 'state', 'stopping', 'd_kind', 'Stopped', 'd_reason', ARGV.reason, 'd_reason_zh', ARGV.reason_zh)
  end
  return 2
end
redis.call('HDEL', KEYS.task, 'unsure', 'prior_ttl')
if judges then
  local kind = open and 'Ambiguous' or hand and 'Stopped' or 'Unknown'
  local fields = {'kind', kind, 'reason', ARGV.reason, 'reason_zh', ARGV.reason_zh}
  ended(fields, {
    id = ARGV.id, owner = ARGV.owner, as = hand and 'stopped' or 'dead', at = r.died, died = r.died, kind = kind, reason = ARGV.reason,
    reason_zh = ARGV.reason_zh,
  })
  redis.call('HSET', KEYS.task, unpack(fields))
end
return 1
