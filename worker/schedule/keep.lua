-- Keeps a claim, and notes before a replay that it is the n-th of its slot. Safe to
-- execute twice.
--
-- KEYS: state of the schedule
-- ARGV: token, life of the claim (ms), n
-- Returns: 1, or 0 when somebody else has the claim
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'ends', redis_now() + tonumber(ARGV[2]), 'used', ARGV[3])
return 1
