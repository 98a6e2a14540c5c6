-- Ends the pauses of a merchant, on a person's word. Places behind them are no more:
-- those who wait are given new ones by waking them. A pause that began after the
-- person looked stays, also when this comes late.
--
-- KEYS: pace
-- ARGV: when the last pause that the person saw began (µs)
-- Returns: when the ban would have ended (µs, 0 without one), then the scopes of keys that were refused
local now, seen = micros(), tonumber(ARGV[1])
local p = redis.call('HMGET', KEYS[1], 'ban', 'line', 'near', 'ban_since')
local out = {0}
for _, f in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(f, 1, 7) == 'denied:' then
    local d = denial_of(redis.call('HGET', KEYS[1], f))
    if not d or d.since <= seen then
      out[#out + 1] = string.sub(f, 8)
      redis.call('HDEL', KEYS[1], f)
    end
  end
end
if p[1] and (tonumber(p[4]) or 0) <= seen then
  out[1] = tonumber(p[1])
  redis.call('HDEL', KEYS[1], 'ban', 'ban_since', 'ban_why', 'probe', 'probe_end')
  redis.call('HSET', KEYS[1], 'line', math.min(tonumber(p[2]) or 0, now), 'near', math.min(tonumber(p[3]) or 0, now))
end
return out
