-- Moves a position over outcomes that are not wanted, or that are not kept any more.
--
-- Keys and arguments: skipKeys and skipArgs in queue.go.
-- Returns: 1, or 0 where another process has moved it
if (redis.call('HGET', KEYS.positions, ARGV.merchant) or '') ~= ARGV.from then return 0 end
redis.call('HSET', KEYS.positions, ARGV.merchant, ARGV.to)
if tonumber(ARGV.missed) > 0 then redis.call('HINCRBY', KEYS.state, 'missed', ARGV.missed) end
return 1
