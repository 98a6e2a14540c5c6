-- What an answer says about the keys of a merchant, after which the others of the
-- merchant are held, or go on. Pauses grow from 1 to 30 minutes while the keys are
-- refused. Safe to execute twice: while a pause lasts, nothing makes it longer.
--
-- KEYS: pace
-- ARGV: attempt token, scope of the keys, what it says: refused, work, or unsure (nothing about them), why they are refused
-- Returns: how long the pause is still (ms, 0 for none), whether it began with this (1/0)
local now = micros()
redis.call('HDEL', KEYS[1], '') -- which lets the rest be written although Redis is full
local d = denial_of(redis.call('HGET', KEYS[1], 'denied:' .. ARGV[2]))
if ARGV[3] == 'work' then
  redis.call('HDEL', KEYS[1], 'denied:' .. ARGV[2])
  return {0, 0}
end
if ARGV[3] == 'unsure' then
  if d and d.probe == ARGV[1] and d.probe_end > 0 then -- not known yet, and not one after the other
    d.ends, d.probe, d.probe_end = now + 60000000, '-', 0
    set_denial(KEYS[1], ARGV[2], d)
  end
  return {0, 0}
end
if d and d.ends > now then -- it was on its way before the pause began, or it comes again
  return {math.ceil((d.ends - now) / 1000), d.probe == ARGV[1] and 1 or 0}
end
for _, f in ipairs(redis.call('HKEYS', KEYS[1])) do -- of keys that nobody has any more
  local old = string.sub(f, 1, 7) == 'denied:' and denial_of(redis.call('HGET', KEYS[1], f))
  if old and old.ends < now - 86400000000 then redis.call('HDEL', KEYS[1], f) end
end
d = d or {since = now, pauses = 0}
local pause = math.min(60 * 2 ^ math.min(d.pauses, 10), 1800) * 1000000
set_denial(KEYS[1], ARGV[2], {since = d.since, ends = now + pause, pauses = d.pauses + 1, probe_end = 0, probe = ARGV[1], why = ARGV[4]})
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), 86400000 * 2))
return {pause / 1000, 1}
