-- Ends, on a person's word, the pauses of a merchant that this person saw. The places behind
-- them are dropped: waking gives the tasks that wait new ones. A pause that began later stays,
-- also when the script is executed late.
--
-- Keys and arguments: liftKeys and liftArgs in resume.go.
-- Returns: when the ban would have ended (µs, 0 without one), then the scopes whose pauses are ended
local now, out = micros(), {0}
for i = FIRST.denials, #ARGV, 2 do
  local d = denial_of(redis.call('HGET', KEYS.pace, 'denied:' .. ARGV[i]))
  if d and d.ends <= tonumber(ARGV[i + 1]) then
    out[#out + 1] = ARGV[i]
    redis.call('HDEL', KEYS.pace, 'denied:' .. ARGV[i])
  end
end
local p = FIELDS(KEYS.pace, 'ban', 'line', 'near', 'ahead', 'behind')
if p.ban and tonumber(p.ban) <= tonumber(ARGV.ban_ends) then
  out[1] = tonumber(p.ban)
  redis.call('HDEL', KEYS.pace, 'ban', 'ban_since', 'ban_why', 'probe', 'probe_end')
  local function at_most_now(at) return math.min(tonumber(at) or 0, now) end
  redis.call('HSET', KEYS.pace, 'line', at_most_now(p.line), 'near', at_most_now(p.near), 'ahead', at_most_now(p.ahead),
    'behind', at_most_now(p.behind))
end
return out
