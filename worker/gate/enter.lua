-- Permits one request, and marks a write that goes out with it. Safe to execute twice.
--
-- Keys, arguments and answer: enterKeys, enterArgs and enterAnswer in scripts.go.
local now = redis_now()
local holder, by_redis, by_sender = lock_of(KEYS.lock)
if holder ~= ARGV.token or now >= by_redis or tonumber(ARGV.clock) >= by_sender then
  return ANSWER{} -- another attempt runs by now, on this task or on its subject, or may run at any moment
end
local mine = place_of(ARGV.rank)
local r = FIELDS(KEYS.task, 'token', mine, 'repeats', 'repeated')
if r.token ~= ARGV.token then
  return ANSWER{}
end
local peek = ARGV.is_peek == '1'
local closed, shut = tonumber(ARGV.closed_until) or 0, tonumber(ARGV.closed_why)
local wait, place, why, probes, strict = permission_of(tonumber(r.mine) or 0, closed, shut, peek)
if wait > 0 then
  if place > 0 then redis.call('HSET', KEYS.task, mine, place) end
  return ANSWER{is_current = 1, wait = wait, why = why, stricter = strict}
end
if peek then return ANSWER{is_current = 1, stricter = strict} end
if r.mine then redis.call('HDEL', KEYS.task, 'place', 'place_ahead', 'woken') end
local fields = {}
mark(fields, now)
if #fields > 0 then
  if ARGV.before ~= '' then fields[#fields + 1], fields[#fields + 2] = 'before', ARGV.before end
  if ARGV.is_repeated == '1' and r.repeats ~= ARGV.token then
    for _, v in ipairs({'repeated', (tonumber(r.repeated) or 0) + 1, 'repeats', ARGV.token}) do fields[#fields + 1] = v end
  end
  redis.call('HSET', KEYS.task, unpack(fields))
end
return ANSWER{is_current = 1, why = why, is_probe = probes and 1 or 0, stricter = strict}
