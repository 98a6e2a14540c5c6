-- Marks that a write goes out now. Without the mark, nothing is sent. The time
-- is that of the last one: what is judged by it is how long one may still land.
--
-- KEYS: record, lock
-- ARGV: attempt token, the sender's clock (ms), repeats a write that is still unanswered (1/0)
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0 -- another attempt runs by now, on this task or on its subject
end
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'in_flight', now[1] * 1000 + math.floor(now[2] / 1000), 'sent_at', ARGV[2])
if ARGV[3] == '1' then redis.call('HINCRBY', KEYS[1], 'repeated', 1) end
return 1
