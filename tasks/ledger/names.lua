-- Notes a name, for example of an owner that has dead letters; or forgets it, unless
-- it was noted lately.
--
-- KEYS: names
-- ARGV: name, how long ago the last one must be to forget it (ms, 0 to note it)
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[1], '') -- which lets the rest be written although Redis is full
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  return 1
end
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
if last and tonumber(last) < now - ARGV[2] then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
return 0
