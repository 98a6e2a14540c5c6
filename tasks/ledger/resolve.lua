-- Ends a dead task by a person's word: finish marker and removal from the ledger
-- at once. Safe to execute twice.
--
-- Keys and arguments: resolveKeys and resolveArgs in resolve.go.
-- Returns: done (it has a finish marker), gone, changed (it died again), running, begun, replayed (somebody has it run
--          again), ok
if redis.call('EXISTS', KEYS.done) == 1 then
  redis.call('ZREM', KEYS.dead, ARGV.id)
  return 'done'
end
if not redis.call('ZSCORE', KEYS.dead, ARGV.id) then
  return 'gone'
end
local now = redis_now()
local r = FIELDS(KEYS.task, 'died', 'token', 'state', 'in_flight', 'unbegun', 'revived', 'd_kind',
  'd_rtn_code', 'first', 'd_rtn_msg', 'by')
local kind = r.d_kind or by_hand(r.by) and 'Stopped' or 'Unknown'
if r.died ~= ARGV.died then
  return 'changed'
end
local holder, by_redis, by_sender = lock_of(KEYS.lock)
if r.token and r.token ~= '' and holder == r.token and lock_left(by_redis, by_sender, now, tonumber(ARGV.clock)) > 0 then
  return 'running'
end
if ARGV.if_unbegun == '1' then
  -- No finish marker will keep the task from being sent: only the ledger may have it.
  -- What was begun before Redis lost its last writes looks as if it was never begun.
  local begun = r.state ~= 'dead' and r.state ~= 'stopping' or r.unbegun ~= r.died
  if begun or unaccounted(r.in_flight, KEYS.replication, ARGV.enqueued, r.first) then return 'begun' end
  if r.revived == r.died then return 'replayed' end
end
if ARGV.done_ttl ~= '0' then
  redis.call('SET', KEYS.done, 'resolved ' .. now, 'PX', ARGV.done_ttl) -- which proves no effect
end
local fields = {
  'token', '', 'resolved_by', ARGV.who, 'note', ARGV.note, 'kind', kind, 'reason', ARGV.reason, 'reason_zh', ARGV.reason_zh,
}
if ARGV.if_unbegun == '1' then -- what an earlier task of the same id brought is not its
  forget_end(KEYS.task)
  redis.call('HDEL', KEYS.task, 'attempts', 'last', 'next')
  fields[#fields + 1], fields[#fields + 2] = 'cancelled', ARGV.nonce
end
ended(fields, {
  id = ARGV.id, owner = ARGV.owner, as = ARGV.if_unbegun == '1' and 'cancelled' or 'resolved', at = now, died = r.died, kind = kind,
  rtn_code = r.d_rtn_code, rtn_msg = r.d_rtn_msg,
})
redis.call('HSET', KEYS.task, unpack(fields))
forget_write(KEYS.task)
redis.call('PEXPIRE', KEYS.task, ARGV.record_ttl)
return 'ok'
