-- Gives places in a merchant's line to those of its held tasks that the caller wants to wake.
-- Safe to execute twice, and after an interruption: a place that waking gave is given again.
--
-- Keys and arguments: wakeKeys and wakeArgs in wake.go.
-- Returns: the place of each (µs), 0 for one that does not wait for the merchant
local now = micros()
local p = redis.call('HMGET', KEYS.pace, 'last', 'line', 'near', 'interval')
local interval = tonumber(p[4]) or tonumber(ARGV.interval)
local before = tonumber(p[2]) or 0
local line = math.max(before, tonumber(p[3]) or 0, tonumber(p[1]) or 0, now - interval)
local kinds, left, places = {}, tonumber(ARGV.most), {}
for i = FIRST.kinds, #ARGV do kinds[ARGV[i]] = true end
for i = FIRST.tasks, #KEYS do
  local r = redis.call('HMGET', KEYS[i], 'state', 'kind', 'place', 'woken')
  local granted = 0
  if left > 0 and (r[1] == 'held' or r[1] == 'queued') and kinds[r[2]] then
    left = left - 1
    local place = tonumber(r[3]) or 0
    if r[3] ~= r[4] or place < now then
      line = line + interval
      place = line
      redis.call('HSET', KEYS[i], 'place', place, 'woken', place)
      redis.call('HDEL', KEYS[i], 'place_ahead') -- perhaps behind a ban that is no more
    end
    granted = place
  end
  places[#places + 1] = granted
end
if line > before then
  redis.call('HSET', KEYS.pace, 'line', line)
  redis.call('PEXPIRE', KEYS.pace, math.max(redis.call('PTTL', KEYS.pace), math.floor(math.max(0, line - now) / 1000) + 86400000))
end
return places
