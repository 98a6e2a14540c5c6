-- Shared by the scripts that end an attempt's requests.

-- The end of an attempt's requests; banned is how long ECPay wants a pause, 0 for
-- none, and why in its words.
local function request_over(pace, flight, me, banned, why)
  redis.call('ZREM', flight, me)
  if banned > 0 then
    local now = micros()
    local b = FIELDS(pace, 'ban', 'ban_since')
    redis.call('HSET', pace, 'ban', math.max(tonumber(b.ban) or 0, now + banned), 'ban_since', b.ban_since or now, 'ban_why', why)
    redis.call('HDEL', pace, 'probe', 'probe_end')
    redis.call('PEXPIRE', pace, math.floor(banned / 1000) + DAY)
  elseif redis.call('HGET', pace, 'probe') == me then
    redis.call('HDEL', pace, 'ban', 'ban_since', 'ban_why', 'probe', 'probe_end') -- the first one was answered: the pause is over
  end
end
