-- Ends a dead task by a person's word: finish marker and removal from the ledger
-- at once. Safe to execute twice.
--
-- KEYS: record, finish marker, index of the ledger, lock
-- ARGV: task id, the death it is about (ms), who, note, ttl of the finish marker (ms, 0 for none), ttl of the record (ms),
--       the caller's clock (ms), only if it was never begun (1/0)
-- Returns: done (it has a finish marker), gone, changed (it died again), running, begun, replayed (somebody has it run
--          again), ok
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 'done'
end
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  return 'gone'
end
local now = redis_now()
local r = redis.call('HMGET', KEYS[1], 'died', 'token', 'state', 'in_flight', 'unbegun', 'revived', 'd_kind', 'd_rtn_code')
if r[1] ~= ARGV[2] then
  return 'changed'
end
local holder, by_redis, by_sender = lock_of(KEYS[4])
if r[2] and r[2] ~= '' and holder == r[2] and lock_left(by_redis, by_sender, now, tonumber(ARGV[7])) > 0 then
  return 'running'
end
if ARGV[8] == '1' then
  -- No finish marker will keep it from being sent: it must be nowhere but here.
  if r[3] ~= 'dead' or r[4] or r[5] ~= r[1] then return 'begun' end
  if r[6] == r[1] then return 'replayed' end
end
if ARGV[5] ~= '0' then
  redis.call('SET', KEYS[2], 'resolved ' .. now, 'PX', ARGV[5]) -- which proves no effect
end
local fields = {'token', '', 'resolved_by', ARGV[3], 'note', ARGV[4]}
ended(fields, KEYS[1], KEYS[3], ARGV[1], ARGV[8] == '1' and 'cancelled' or 'resolved', now, r[1], r[7], nil, nil, r[8])
redis.call('HSET', KEYS[1], unpack(fields))
forget_write(KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 'ok'
