-- Marks that a write goes out now. Without the mark, nothing is sent. The time
-- is that of the last one: what is judged by it is how long one may still land.
--
-- KEYS: record
-- ARGV: attempt token
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0 -- another attempt runs this task by now
end
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'in_flight', now[1] * 1000 + math.floor(now[2] / 1000))
return 1
