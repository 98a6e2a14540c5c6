-- Ends the pauses of a merchant, on a person's word. Places behind them are no more:
-- those who wait are given new ones by waking them.
--
-- KEYS: pace
-- Returns: when the ban would have ended (µs, 0 without one), then the scopes of keys that were refused
local now = micros()
local p = redis.call('HMGET', KEYS[1], 'ban', 'line', 'near')
local out = {tonumber(p[1]) or 0}
for _, f in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(f, 1, 7) == 'denied:' then
    out[#out + 1] = string.sub(f, 8)
    redis.call('HDEL', KEYS[1], f)
  end
end
redis.call('HDEL', KEYS[1], 'ban', 'ban_since', 'ban_why', 'probe', 'probe_end')
if out[1] > 0 then
  redis.call('HSET', KEYS[1], 'line', math.min(tonumber(p[2]) or 0, now), 'near', math.min(tonumber(p[3]) or 0, now))
end
return out
