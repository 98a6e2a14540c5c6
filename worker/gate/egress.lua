-- What all requests that leave by one address have in common: ECPay bans addresses too,
-- and when nobody is answered any more, the trouble is no merchant's. Times are in
-- microseconds, by Redis' clock. Safe to execute twice.
--
-- The state is a hash: kind, of a pause, and ends, since and pauses, how many there were
-- in a row; probe, who tries first after it, and probe_end; answered, when ECPay was last
-- known to have answered anybody; rate_at, from when on the next request is within the
-- rate, and rate_line, the last time for which somebody was told to come back.
-- Two sorted sets have the merchants whose last requests met a 403, or no answer.
--
-- Keys, arguments and answer: egressKeys, egressArgs and egressAnswer in scripts.go.
local FREE, ADDRESS, OUTAGE, RATE = 0, 4, 5, 6 -- see Why in enter.go
local MANY, LATELY, SILENCE = 3, 60000000, 10000000
local now, op, me = micros(), ARGV.op, ARGV.token
local s = FIELDS(KEYS.state, 'kind', 'ends', 'since', 'pauses', 'probe', 'probe_end', 'answered', 'rate_at', 'rate_line')
local kind, ends, since, answered = tonumber(s.kind) or FREE, tonumber(s.ends) or 0, tonumber(s.since), tonumber(s.answered) or 0
local rate_at, rate_line = tonumber(s.rate_at) or 0, tonumber(s.rate_line) or 0
local back = math.max(answered, since or 0) - now
if back > 0 then
  -- Redis' clock was set back, by at least so much: the times stored by it move back by as much.
  ends, answered = math.max(0, ends - back), math.min(answered, now)
  rate_at, rate_line = math.max(0, rate_at - back), math.max(0, rate_line - back)
  since = since and math.min(since, now)
  redis.call('HSET', KEYS.state, 'ends', ends, 'answered', answered, 'rate_at', rate_at, 'rate_line', rate_line)
  if since then redis.call('HSET', KEYS.state, 'since', since) end
end
if op ~= 'ask' then redis.call('HDEL', KEYS.state, '') end -- after a command that removes, a script may write although Redis is full
local probing = s.probe and (tonumber(s.probe_end) or 0) > now
if ARGV.is_answered == '1' then
  answered = now
  redis.call('HSET', KEYS.state, 'answered', now)
end
local function keep(ms)
  redis.call('PEXPIRE', KEYS.state, math.max(ms, redis.call('PTTL', KEYS.state), DAY))
end
local function pause(of, length)
  local pauses = (kind == of and tonumber(s.pauses) or 0) + 1
  kind, ends = of, math.max(ends, now + length(pauses))
  redis.call('HSET', KEYS.state, 'kind', kind, 'ends', ends, 'since', since or now, 'pauses', pauses)
  redis.call('HDEL', KEYS.state, 'probe', 'probe_end')
  keep(math.floor((ends - now) / 1000) + DAY)
end
local function answer(wait, why, is_probe)
  return ANSWER{kind = kind, ends = ends, wait = wait, why = why, is_probe = is_probe}
end
-- Counts the merchants that met the same trouble within a minute.
local function met(key)
  redis.call('ZADD', key, now, ARGV.merchant_id)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - LATELY)
  redis.call('PEXPIRE', key, LATELY / 1000)
  return redis.call('ZCARD', key)
end

if op == 'ask' then
  local probes = 0
  if kind ~= FREE and s.probe ~= me then
    if ends > now then return answer(ends - now, kind, 0) end
    if probing then return answer(1000000, kind, 0) end
  end
  local apart, at = tonumber(ARGV.apart), rate_at
  if apart > 0 then
    local slack = math.max(apart, 100000) -- requests that the rate allowed in this time, and that were not sent, may be sent after it
    if at > now + slack then at, rate_line = now, now end -- the clock was set back, and nobody had answered before
    if at - slack + apart > now then
      local line = math.max(rate_line, now, at - slack) + apart
      redis.call('HSET', KEYS.state, 'rate_line', line)
      keep(0)
      return answer(line - now, RATE, 0)
    end
    redis.call('HSET', KEYS.state, 'rate_at', math.max(at, now) + apart)
    keep(0)
  end
  if kind ~= FREE then
    redis.call('HSET', KEYS.state, 'probe', me, 'probe_end', now + ARGV.life)
    probes = 1
  end
  return answer(0, 0, probes)
elseif op == 'forbidden' then
  local n = met(KEYS.forbidden)
  local probe = kind ~= FREE and s.probe == me
  if probe or n >= MANY and not (kind == ADDRESS and ends > now) then
    pause(ADDRESS, function() return tonumber(ARGV.pause) end)
  end
elseif op == 'unavailable' then
  local n = met(KEYS.unavailable)
  local probe = kind ~= FREE and s.probe == me
  if probe or kind == FREE and n >= MANY and answered < now - SILENCE then
    pause(OUTAGE, function(pauses) return math.min(15 * 2 ^ math.min(pauses - 1, 10), 300) * 1000000 end)
  end
elseif op == 'answered' then
  if s.probe == me then
    kind, ends = FREE, 0
    redis.call('HDEL', KEYS.state, 'kind', 'ends', 'since', 'pauses', 'probe', 'probe_end')
    redis.call('DEL', KEYS.forbidden, KEYS.unavailable)
  end
elseif op == 'unused' then
  if s.probe == me then redis.call('HDEL', KEYS.state, 'probe', 'probe_end') end
end
return answer(0, 0, 0)
