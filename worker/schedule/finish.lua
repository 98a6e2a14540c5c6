-- Ends a claim: with what came of it when all was done, else so that the next one
-- may claim the same slot at once. Safe to execute twice.
--
-- Keys and arguments: stateKeys and finishArgs in state.go.
-- Returns: 1, or 0 when somebody else has the claim
local s = FIELDS(KEYS.state, 'token', 'by')
if s.by == ARGV.token then
  return 1
end
if s.token ~= ARGV.token then
  return 0
end
redis.call('HDEL', KEYS.state, 'token', 'ends')
if ARGV.all == '1' then
  redis.call('HSET', KEYS.state, 'last', ARGV.slot, 'by', ARGV.token, 'ended', redis_now(),
    'replayed', ARGV.replayed, 'left', ARGV.left, 'failed', ARGV.failed)
  redis.call('HINCRBY', KEYS.state, 'runs', 1)
  redis.call('HDEL', KEYS.state, 'slot', 'used')
end
return 1
