-- Records what an answer says about the keys of a merchant: the merchant's other requests are
-- held for it, or go on. Pauses grow from 1 to 30 minutes while the keys are refused. Safe to
-- execute twice: while a pause lasts, nothing makes it longer.
--
-- Keys, arguments and answer: deniedKeys, deniedArgs and deniedAnswer in scripts.go.
local now = micros()
redis.call('HDEL', KEYS.pace, '') -- after a command that removes, a script may write although Redis is full
local d = denial_of(redis.call('HGET', KEYS.pace, 'denied:' .. ARGV.scope))
if ARGV.says == 'work' then
  redis.call('HDEL', KEYS.pace, 'denied:' .. ARGV.scope)
  return ANSWER{}
end
if ARGV.says == 'unsure' then
  if d and d.probe == ARGV.token and d.probe_end > 0 then -- the request that tried the keys told nothing: again in a minute
    d.ends, d.probe, d.probe_end = now + 60000000, '-', 0
    set_denial(KEYS.pace, ARGV.scope, d)
  end
  return ANSWER{}
end
if d and d.ends > now then -- sent before the pause began, or this is the second execution
  return ANSWER{pause = math.ceil((d.ends - now) / 1000), began = d.probe == ARGV.token and 1 or 0}
end
for _, f in ipairs(redis.call('HKEYS', KEYS.pace)) do -- of keys that nobody has any more
  local old = string.sub(f, 1, 7) == 'denied:' and denial_of(redis.call('HGET', KEYS.pace, f))
  if old and old.ends < now - DAY * 1000 then redis.call('HDEL', KEYS.pace, f) end
end
d = d or {since = now, pauses = 0}
local pause = math.min(60 * 2 ^ math.min(d.pauses, 10), 1800) * 1000000
set_denial(KEYS.pace, ARGV.scope, {
  since = d.since, ends = now + pause, pauses = d.pauses + 1, probe_end = 0, probe = ARGV.token, why = ARGV.why,
})
redis.call('PEXPIRE', KEYS.pace, math.max(redis.call('PTTL', KEYS.pace), DAY * 2))
return ANSWER{pause = pause / 1000, began = 1}
