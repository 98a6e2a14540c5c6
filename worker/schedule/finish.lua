-- Ends a claim: with what came of it when all was done, else so that the next one
-- may claim the same slot at once. Safe to execute twice.
--
-- KEYS: state of the schedule
-- ARGV: token, slot (ms), "1" when all was done, replayed, left alone, failed
-- Returns: 1, or 0 when somebody else has the claim
local s = redis.call('HMGET', KEYS[1], 'token', 'by')
if s[2] == ARGV[1] then
  return 1
end
if s[1] ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'token', 'ends')
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'last', ARGV[2], 'by', ARGV[1], 'ended', redis_now(), 'replayed', ARGV[4], 'left', ARGV[5], 'failed', ARGV[6])
  redis.call('HINCRBY', KEYS[1], 'runs', 1)
  redis.call('HDEL', KEYS[1], 'slot', 'used')
end
return 1
