-- Gives places in a merchant's line to those of its held tasks that the caller wants to wake.
-- Safe to execute twice, and after an interruption: a place that waking gave is given again.
--
-- Keys and arguments: wakeKeys and wakeArgs in wake.go.
-- Returns: the place of each (µs), 0 for one that does not wait for the merchant
local now = micros()
local p = FIELDS(KEYS.pace, 'last', 'line', 'near', 'interval')
local interval = tonumber(p.interval) or tonumber(ARGV.interval)
local before = tonumber(p.line) or 0
local line = math.max(before, tonumber(p.near) or 0, tonumber(p.last) or 0, now - interval)
local kinds, left, places = {}, tonumber(ARGV.most), {}
for i = FIRST.kinds, #ARGV do kinds[ARGV[i]] = true end
for i = FIRST.tasks, #KEYS do
  local r = FIELDS(KEYS[i], 'state', 'kind', 'place', 'woken')
  local granted = 0
  if left > 0 and (r.state == 'held' or r.state == 'queued') and kinds[r.kind] then
    left = left - 1
    local place = tonumber(r.place) or 0
    if r.place ~= r.woken or place < now then
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
  redis.call('PEXPIRE', KEYS.pace, math.max(redis.call('PTTL', KEYS.pace), math.floor(math.max(0, line - now) / 1000) + DAY))
end
return places
