-- Permits one request, and marks a write that goes out with it. Without the mark,
-- nothing is sent. The times of the mark are those of the last write: what is judged
-- by them is how long one may still land. Safe to execute twice.
--
-- KEYS: record, lock, pace, requests in flight
-- ARGV: attempt token, the worker's clock (ms), name of the request, interval (µs), most requests in flight,
--       goes ahead (1/0), how long it may take (µs), is a write (1/0), the clock by which it is stamped (ms),
--       repeats a write that is still unanswered (1/0), scope of the keys; and where there is something to say
--       about the egress: until when it pauses (µs), why, takes no permission (1/0)
-- Returns: status (0 the attempt is over, 1 go), how long to wait first (µs), why, and whether it is the first
--          request after its keys were refused (1/0)
local now = redis_now()
local holder, by_redis, by_sender = lock_of(KEYS[2])
if holder ~= ARGV[1] or now >= by_redis or tonumber(ARGV[2]) >= by_sender then
  return {0, 0, 0, 0} -- another attempt runs by now, on this task or on its subject, or may run at any moment
end
local r = redis.call('HMGET', KEYS[1], 'token', 'place', 'repeats')
if r[1] ~= ARGV[1] then
  return {0, 0, 0, 0}
end
local ahead = ARGV[6] == '1'
local wait, place, why, probes = permission(KEYS[3], KEYS[4], ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ahead, tonumber(r[2]) or 0, tonumber(ARGV[7]), ARGV[11],
  tonumber(ARGV[12]) or 0, tonumber(ARGV[13]), ARGV[14] == '1')
if wait > 0 then
  if not ahead and place > 0 then redis.call('HSET', KEYS[1], 'place', place) end
  return {1, wait, why, 0}
end
if ARGV[14] == '1' then return {1, 0, 0, 0} end
if r[2] then redis.call('HDEL', KEYS[1], 'place', 'woken') end
if ARGV[8] == '1' then
  if ARGV[10] == '1' and r[3] ~= ARGV[1] then
    redis.call('HINCRBY', KEYS[1], 'repeated', 1)
    redis.call('HSET', KEYS[1], 'repeats', ARGV[1])
  end
  redis.call('HSET', KEYS[1], 'in_flight', now, 'sent_at', ARGV[9], 'marked', ARGV[1])
end
return {1, 0, why, probes and 1 or 0}
