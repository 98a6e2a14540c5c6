-- Permission for one request to ECPay, given at the moment at which it is sent:
-- ECPay wants some time between the calls of a merchant, and none at all for a
-- while after a 403. Times are in microseconds, by Redis' clock.
--
-- A merchant's pace is a hash: last, when the last permission was given, to, to whom, and
-- interval, by which interval; strict, the longest interval that anybody asked for lately, and
-- strict_at, when; prolonged, when its expiry was last set; ban, when the pause that ECPay asked
-- for ends, ban_since and ban_why; probe, the attempt that tries first after it, and probe_end.
-- A place is the time at which a request asks again, and no permission: line is the last place
-- that was given to a request without one, near the last that was given to a request whose place
-- had come while another went first, and ahead the last that was given to a request of rank
-- AHEAD. So a place that nobody uses delays no other request, and requests whose places are all
-- over are still permitted one after the other. behind is the last place that was given to a
-- request of rank BEHIND, which comes after all in line. The set of a merchant's requests in flight has
-- the attempts, by when they end at the latest.
--
-- What ECPay refuses of a merchant for its keys is in the same hash, in one field for each
-- scope, which is a service (B2C, B2B) and the fingerprint of a key pair: "SINCE UNTIL PAUSES
-- PROBE_END PROBE WHY". PROBE is the attempt that tries first after the pause or, with a
-- PROBE_END of 0, the one whose refusal began it.
local function denial_of(v)
  if not v then return nil end
  local since, ends, pauses, probe_end, probe, why = string.match(v, '^(%d+) (%d+) (%d+) (%d+) (%S+) (.*)$')
  if not since then return nil end
  return {
    since = tonumber(since), ends = tonumber(ends), pauses = tonumber(pauses),
    probe_end = tonumber(probe_end), probe = probe, why = why,
  }
end

local function set_denial(pace, scope, d)
  local v = string.format('%.0f %.0f %.0f %.0f %s %s', d.since, d.ends, d.pauses, d.probe_end, d.probe, d.why)
  redis.call('HSET', pace, 'denied:' .. scope, v)
end

local GO, TURN, BANNED, DENIED = 0, 1, 2, 3 -- why to wait; see Why in enter.go

local IN_LINE, AHEAD, NEXT, BEHIND = '0', '1', '2', '3' -- see Rank in enter.go


-- Processes may have different intervals for a merchant, while ECPay sees one merchant: the
-- longest one counts for all, until nobody has asked for it for five minutes.
local LAPSE, RENEW = 300000000, 60000000
local stricter = 0 -- the interval that counts, where it is longer than the one asked for
local function strictest(interval, strict, at, now)
  if interval >= strict or at < now - LAPSE then return interval end
  stricter = strict
  return strict
end

-- me: the attempt; request: each of an attempt has its own; interval: the least time
-- between two; cap: how many in flight; rank: whom it goes before; place: of the
-- task, 0 for none; life: how long the request may take; scope: of its keys; closed: until when the egress
-- pauses, and shut, why; peek: changes nothing but places
-- Returns: how long to wait (0: go), the place of the task, why to wait, and whether the
-- request is the first one after a refusal of these keys
local function permission(pace, flight, me, request, interval, cap, rank, place, life, scope, closed, shut, peek)
  local now = micros()
  local p = FIELDS(pace, 'last', 'to', 'line', 'near', 'ban', 'probe', 'probe_end', denied = 'denied:' .. scope,
    'interval', 'prolonged', 'ahead', 'behind', 'strict', 'strict_at')
  local denied = denial_of(p.denied)
  if p.to == request then return 0, 0, GO, denied ~= nil end -- permitted before: this is the second execution
  if denied and denied.since > now then -- by a clock that was set back since
    local by = denied.since - now
    denied.since, denied.ends, denied.probe_end = now, denied.ends - by, math.max(0, denied.probe_end - by)
    if not peek then set_denial(pace, scope, denied) end
  end
  local last, ban = tonumber(p.last) or 0, tonumber(p.ban) or 0
  local line, near, ahead = tonumber(p.line) or 0, tonumber(p.near) or 0, tonumber(p.ahead) or 0
  local behind = tonumber(p.behind) or 0
  local back = last - now
  if back > 0 then
    -- Redis' clock was set back, by at least so much: without this, the merchant would wait for
    -- as long. The times that were stored by it move back by as much.
    last, ban, line, near, ahead, behind = now, ban - back, line - back, near - back, ahead - back, behind - back
    if not peek then
      redis.call('HSET', pace, 'last', digits(last), 'line', digits(math.max(0, line)),
        'near', digits(math.max(0, near)), 'ahead', digits(math.max(0, ahead)), 'behind', digits(math.max(0, behind)))
      if p.ban then redis.call('HSET', pace, 'ban', digits(ban)) end
    end
  end
  if place > now then -- one after the last that was given was given before the clock was set back
    place = math.min(place, math.max(now, rank == AHEAD and ahead or math.max(line, near, rank == BEHIND and behind or 0)))
  end
  local strict, strict_at = tonumber(p.strict) or 0, tonumber(p.strict_at) or 0
  interval = strictest(interval, strict, strict_at, now)
  local renew = stricter == 0 and (interval ~= strict or interval > 0 and strict_at < now - RENEW)
  if renew and p.last and not peek then
    redis.call('HSET', pace, 'strict', digits(interval), 'strict_at', digits(now))
    renew = false
  end
  local waits = BANNED
  if closed > now and closed > ban then ban, waits = closed, shut end
  if ban <= now and last + 2 * interval + 3000000 < now then
    -- No request came at its place: all are gone.
    line, near, ahead, behind = math.min(line, now), math.min(near, now), math.min(ahead, now), math.min(behind, now)
  end
  local free = last + interval
  if (rank == IN_LINE or rank == BEHIND) and ahead > now then free = math.max(free, ahead + interval) end
  local function wait_in(name, at)
    redis.call('HSET', pace, name, at)
    redis.call('PEXPIRE', pace, math.floor(math.max(0, at - now) / 1000) + DAY)
    return math.max(1000, at - now), at, ban > now and waits or TURN
  end
  if denied and not (denied.probe == me and denied.probe_end > 0) then
    if denied.ends > now then return denied.ends - now, place, DENIED end
    if denied.probe_end > now then return 1000000, place, DENIED end
  end
  if ban > now then
    if place >= ban then return place - now, place, waits end
    if rank == BEHIND then return wait_in('behind', math.max(behind, line, near, free - interval, ban - interval) + interval) end
    if rank ~= IN_LINE then return wait_in('ahead', math.max(ahead, free - interval, ban - interval) + interval) end
    return wait_in('line', math.max(line, near, free - interval, ban - interval) + interval)
  end
  if ban > 0 and p.probe and p.probe ~= me and (tonumber(p.probe_end) or 0) > now then
    return 1000000, place, BANNED
  end
  local flying = redis.call('ZCARD', flight)
  if flying >= cap and not redis.call('ZSCORE', flight, me) then
    redis.call('ZREMRANGEBYSCORE', flight, '-inf', now) -- requests of workers that died
    flying = redis.call('ZCARD', flight)
    if flying >= cap then return 1000000, place, TURN end
  end
  if rank == BEHIND then
    -- Its place lasts until somebody in line waits: the next one is after all of those.
    if place > now then return place - now, place, TURN end
    local taken = math.max(line, near, free - interval)
    if free > now or math.max(line, near) > now then return wait_in('behind', math.max(behind, taken) + interval) end
  elseif rank ~= NEXT then
    if place > now then return place - now, place, TURN end
    -- A request whose place has only just come keeps its turn: the one before it was a little
    -- late, and with a new place behind all others nobody would use this turn.
    if free > now and place > now - interval and free - now < 2 * interval then return free - now, place, TURN end
    if rank == AHEAD then
      if free > now or place == 0 and ahead > now then return wait_in('ahead', math.max(ahead, last) + interval) end
    elseif place == 0 then
      if free > now or line > now then return wait_in('line', math.max(line, near, free - interval) + interval) end
    elseif free > now then
      return wait_in('near', math.max(near, free - interval) + interval)
    end
  elseif free > now then
    return free - now, place, TURN -- few are on their way at once, and none of them sleeps longer than an interval
  end
  if peek then return 0, place, GO, false end
  local fields = {'last', digits(now), 'to', request}
  changed_to(fields, 'line', line, p.line)
  changed_to(fields, 'near', near, p.near)
  changed_to(fields, 'ahead', ahead, p.ahead)
  changed_to(fields, 'behind', behind, p.behind)
  if tonumber(p.interval) ~= interval then fields[#fields + 1], fields[#fields + 2] = 'interval', digits(interval) end
  if renew then
    for _, v in ipairs({'strict', digits(interval), 'strict_at', digits(now)}) do fields[#fields + 1] = v end
  end
  if ban > 0 then
    for _, v in ipairs({'probe', me, 'probe_end', digits(now + life)}) do fields[#fields + 1] = v end
  end
  -- Keys that are used all the time are prolonged now and then, not by each use.
  local prolong = now - (tonumber(p.prolonged) or 0) > DAY * 1000 / 4
  if prolong then fields[#fields + 1], fields[#fields + 2] = 'prolonged', digits(now) end
  redis.call('HSET', pace, unpack(fields))
  redis.call('ZADD', flight, digits(now + life), me)
  if prolong then
    redis.call('PEXPIRE', pace, math.max(redis.call('PTTL', pace), math.floor(math.max(0, line - now) / 1000) + DAY))
  end
  if prolong or flying == 0 then
    redis.call('PEXPIRE', flight, DAY)
  end
  if denied then
    denied.probe, denied.probe_end = me, now + life
    set_denial(pace, scope, denied)
  end
  return 0, 0, GO, denied ~= nil
end

-- Where a task keeps its place.
local function place_of(rank) return (rank == IN_LINE or rank == BEHIND) and 'place' or 'place_ahead' end
