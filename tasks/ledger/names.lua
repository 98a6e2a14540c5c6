-- Notes a name, for example of an owner that has dead letters; or forgets it, unless
-- it was noted lately.
--
-- Keys and arguments: namesKeys and namesArgs in names.go.
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV.unseen_for == '0' then
  redis.call('ZREM', KEYS.names, '') -- after a command that removes, a script may write although Redis is full
  redis.call('ZADD', KEYS.names, now, ARGV.name)
  return 1
end
local last = redis.call('ZSCORE', KEYS.names, ARGV.name)
if last and tonumber(last) < now - ARGV.unseen_for then
  return redis.call('ZREM', KEYS.names, ARGV.name)
end
return 0
