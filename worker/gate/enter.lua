-- Marks that a write goes out now. Without the mark, nothing is sent. The times
-- are those of the last one: what is judged by them is how long one may still
-- land. Safe to execute twice.
--
-- KEYS: record, lock
-- ARGV: attempt token, the clock by which the request is stamped (ms), repeats a write that is still unanswered (1/0),
--       the worker's clock (ms)
local now = redis_now()
local holder, by_redis, by_sender = lock_of(KEYS[2])
if holder ~= ARGV[1] or now >= by_redis or tonumber(ARGV[4]) >= by_sender or redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0 -- another attempt runs by now, on this task or on its subject, or may run at any moment
end
if ARGV[3] == '1' and redis.call('HGET', KEYS[1], 'repeats') ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[1], 'repeated', 1)
  redis.call('HSET', KEYS[1], 'repeats', ARGV[1])
end
redis.call('HSET', KEYS[1], 'in_flight', now, 'sent_at', ARGV[2], 'marked', ARGV[1])
return 1
