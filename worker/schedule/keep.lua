-- Keeps a claim, and notes before a replay that it is the n-th of its slot. Safe to
-- execute twice.
--
-- Keys and arguments: stateKeys and keepArgs in state.go.
-- Returns: 1, or 0 when somebody else has the claim
if redis.call('HGET', KEYS.state, 'token') ~= ARGV.token then
  return 0
end
redis.call('HSET', KEYS.state, 'ends', redis_now() + tonumber(ARGV.lease), 'used', ARGV.n)
return 1
