-- Records how an attempt ended. Proof of an effect is recorded whatever attempt
-- brings it; any other outcome only by the attempt that is current. Safe to
-- execute twice.
--
-- KEYS: record, finish marker, lock, index of the ledger of dead letters, pace, requests in flight, tasks that are
--       held for the merchant
-- ARGV: attempt token, state, ttl of the record (ms, 0 for none), ttl of the finish marker (ms, 0 for none),
--       spends budget (1/0), age clock stands still (1/0), write is settled (1/0), stale (1/0), delay (ms), task id,
--       the mark that the attempt found when it began (0 for none), how long ECPay wants a pause (µs, 0 for none),
--       why in its words, is held for the merchant (1/0), may never have begun (1/0),
--       then kind, http_status, trans_code, rtn_code, rtn_msg, reason and reason_zh, each after its name, and other fields likewise;
--       of a dead task headers and payload are the last two
local first = 16 -- of the named fields
local now = redis_now()
local r = redis.call('HMGET', KEYS[1], 'token', 'left', 'attempts', 'holds', 'stale', 'marked', 'in_flight', 'died', 'paused_at', 'next', 'kind')
if lock_of(KEYS[3]) == ARGV[1] then
  redis.call('DEL', KEYS[3])
end
request_over(KEYS[5], KEYS[6], ARGV[1], tonumber(ARGV[12]), ARGV[13])
if (r[1] or '') ~= ARGV[1] and ARGV[2] ~= 'done' then
  if ARGV[15] == '1' then redis.call('HSET', KEYS[1], 'left', ARGV[1]) end -- nor may it begin any more, should that come late
  return r[2] == ARGV[1] and 1 or 0
end
local holds = tonumber(r[4]) or 0
if ARGV[2] == 'held' then
  holds = holds + 1
elseif ARGV[2] ~= 'queued' then
  holds = 0
end
local at = digits(now)
local fields = {'left', ARGV[1], 'token', '', 'last', at}
changed_to(fields, 'next', ARGV[9] == '0' and 0 or now + ARGV[9], r[10])
changed_to(fields, 'attempts', (tonumber(r[3]) or 0) - (ARGV[5] == '0' and 1 or 0), r[3])
changed_to(fields, 'holds', holds, r[4])
changed_to(fields, 'stale', ARGV[8] == '1' and (tonumber(r[5]) or 0) + 1 or 0, r[5])
changed_to(fields, 'paused_at', ARGV[6] == '1' and now or 0, r[9])
local last = #ARGV
if ARGV[2] == 'dead' then
  local f = redis.call('HMGET', KEYS[1], 'fix', 'payload')
  if f[1] == '1' and f[2] ~= ARGV[#ARGV] then
    last = #ARGV - 4 -- a correction waits to be run, and this was not it
  else
    redis.call('HDEL', KEYS[1], 'fix')
  end
  redis.call('HDEL', KEYS[1], 'unsure', 'prior_ttl', 'last_err')
end
if ARGV[2] == 'dead' or ARGV[2] == 'done' then
  local kind, http_status, trans_code, rtn_code, rtn_msg = ARGV[first + 1], ARGV[first + 3], ARGV[first + 5], ARGV[first + 7], ARGV[first + 9]
  ended(fields, KEYS[1], KEYS[4], ARGV[10], ARGV[2], at, r[8], kind, ARGV[first + 11], ARGV[first + 13], rtn_code, rtn_msg, http_status, trans_code)
else
  fields[#fields + 1], fields[#fields + 2] = 'state', ARGV[2]
end
for i = first, last, 2 do
  local name, value = ARGV[i], ARGV[i + 1]
  if r[11] or value ~= '' and value ~= '0' then -- at first, nothing is as good as no field
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
end
redis.call('HSET', KEYS[1], unpack(fields))
if ARGV[14] == '1' then
  redis.call('ZADD', KEYS[7], now + ARGV[9], ARGV[10])
end
if ARGV[7] == '1' then
  -- What settles a write that this attempt sent, or found, settles no later one: an
  -- attempt may come a second time, late.
  if ARGV[2] == 'done' or r[6] == ARGV[1] or r[7] == ARGV[11] then
    forget_write(KEYS[1])
  end
end
if ARGV[3] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if ARGV[4] ~= '0' then
  redis.call('SET', KEYS[2], at, 'PX', ARGV[4])
end
return 1
