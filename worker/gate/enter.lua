-- Permits one request, and marks a write that goes out with it. Safe to execute twice.
--
-- KEYS: record, lock, pace, requests in flight
-- ARGV: attempt token, the worker's clock (ms), the request (9, see request.lua); and where there is something to
--       say about the egress: until when it pauses (µs), why, takes no permission (1/0)
-- Returns: status (0 the attempt is over, 1 go), how long to wait first (µs), why, whether it is the first
--          request after its keys were refused (1/0), and the interval that others keep (µs, 0 for none that is longer)
local now = redis_now()
local holder, by_redis, by_sender = lock_of(KEYS[2])
if holder ~= ARGV[1] or now >= by_redis or tonumber(ARGV[2]) >= by_sender then
  return {0, 0, 0, 0, 0} -- another attempt runs by now, on this task or on its subject, or may run at any moment
end
local mine = place_of(ARGV[6])
local r = redis.call('HMGET', KEYS[1], 'token', mine, 'repeats', 'repeated')
if r[1] ~= ARGV[1] then
  return {0, 0, 0, 0, 0}
end
local peek = ARGV[14] == '1'
local wait, place, why, probes, strict = permission_of(3, KEYS[3], KEYS[4], tonumber(r[2]) or 0, tonumber(ARGV[12]) or 0, tonumber(ARGV[13]), peek)
if wait > 0 then
  if place > 0 then redis.call('HSET', KEYS[1], mine, place) end
  return {1, wait, why, 0, strict}
end
if peek then return {1, 0, 0, 0, strict} end
if r[2] then redis.call('HDEL', KEYS[1], 'place', 'place_ahead', 'woken') end
local fields = {}
mark(3, fields, now)
if #fields > 0 then
  if ARGV[10] == '1' and r[3] ~= ARGV[1] then
    for _, v in ipairs({'repeated', (tonumber(r[4]) or 0) + 1, 'repeats', ARGV[1]}) do fields[#fields + 1] = v end
  end
  redis.call('HSET', KEYS[1], unpack(fields))
end
return {1, 0, why, probes and 1 or 0, strict}
