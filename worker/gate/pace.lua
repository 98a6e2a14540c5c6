-- Permission for one request to ECPay, given at the moment at which it is sent:
-- ECPay wants some time between the calls of a merchant, and none at all for a
-- while after a 403. Times are in microseconds, by Redis' clock.
--
-- A merchant's pace is a hash: last, when the last permission was given, and to, to
-- whom; ban, when the pause that ECPay asked for ends; probe, who tries first after
-- it, and probe_end. A place only says when to wake: line is the last one that was
-- given to newcomers, near the last one to those whose time had come and who found
-- somebody else before them. So nothing is lost when those who wait go away, and
-- nothing fires at once when all of them are late. The set of a merchant's requests
-- in flight has the attempts, by when they end at the latest.
local function micros()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

-- me: the attempt; request: each of an attempt has its own; interval: the least time
-- between two; cap: how many in flight; ahead: goes before those who wait; place: of the
-- task, 0 for none; life: how long the request may take
-- Returns: how long to wait (0: go), and the place of the task
local function permission(pace, flight, me, request, interval, cap, ahead, place, life)
  local now = micros()
  local p = redis.call('HMGET', pace, 'last', 'to', 'line', 'near', 'ban', 'probe', 'probe_end')
  if p[2] == request then return 0, 0 end -- given, and the answer was lost
  local last, ban = math.min(tonumber(p[1]) or 0, now), tonumber(p[5]) or 0
  local line, near = tonumber(p[3]) or 0, tonumber(p[4]) or 0
  if ban <= now and last + 2 * interval + 3000000 < now then
    line, near = math.min(line, now), math.min(near, now) -- nobody came: those who waited are gone
  end
  local free = last + interval
  local function wait_in(name, at)
    redis.call('HSET', pace, name, at)
    redis.call('PEXPIRE', pace, math.floor(math.max(0, at - now) / 1000) + 86400000)
    return math.max(1000, at - now), at
  end
  if ban > now then
    if place >= ban then return place - now, place end
    return wait_in('line', math.max(line, near, free - interval, ban - interval) + interval)
  end
  if ban > 0 and p[6] and p[6] ~= me and (tonumber(p[7]) or 0) > now then
    return 1000000, place
  end
  redis.call('ZREMRANGEBYSCORE', flight, '-inf', now)
  if not redis.call('ZSCORE', flight, me) and redis.call('ZCARD', flight) >= cap then
    return 1000000, place
  end
  if not ahead then
    if place > now then return place - now, place end
    if place == 0 and (line > now or free > now) then
      return wait_in('line', math.max(line, near, last) + interval)
    end
  end
  if free > now then
    if ahead then return free - now, place end
    return wait_in('near', math.max(near, last) + interval)
  end
  redis.call('HSET', pace, 'last', now, 'to', request, 'line', line, 'near', near)
  if ban > 0 then
    redis.call('HSET', pace, 'probe', me, 'probe_end', now + life)
  end
  redis.call('PEXPIRE', pace, math.floor(math.max(0, line - now) / 1000) + 86400000)
  redis.call('ZADD', flight, now + life, me)
  redis.call('PEXPIRE', flight, math.floor(life / 1000) + 60000)
  return 0, 0
end

-- The end of an attempt's requests; banned is how long ECPay wants a pause, 0 for
-- none.
local function request_over(pace, flight, me, banned)
  redis.call('ZREM', flight, me)
  if banned > 0 then
    local now = micros()
    redis.call('HSET', pace, 'ban', math.max(tonumber(redis.call('HGET', pace, 'ban')) or 0, now + banned))
    redis.call('HDEL', pace, 'probe', 'probe_end')
    redis.call('PEXPIRE', pace, math.floor(banned / 1000) + 86400000)
  elseif redis.call('HGET', pace, 'probe') == me then
    redis.call('HDEL', pace, 'ban', 'probe', 'probe_end') -- it was answered: the others may go, at their pace
  end
end
