-- Notes that a worker looked, and tells when the clocks were set last. All of them may be set
-- at once, as on one machine, and then neither Redis' clock nor a worker's tells that less
-- time has passed than they say. A worker that runs meanwhile notices it by its monotonic
-- clock; for one that begins later, workers look every 10 seconds: when by Redis' clock
-- nobody did for longer, it was set, or nobody was there to notice. Where those that run
-- notice the same, the later time stands. Safe to execute twice.
--
-- Keys and arguments: lookKeys and lookArgs in scripts.go.
-- Returns: how long ago the clocks were set, as far as anybody knows (ms, -1 for never)
local SILENCE, BACK = 30000, 5000
local now = redis_now()
if ARGV.is_history == '1' then lost_writes(KEYS.replication, now) end
local h = redis.call('HMGET', KEYS.replication, 'looked', 'stepped')
local looked, stepped, seen = tonumber(h[1]), tonumber(h[2]) or 0, tonumber(ARGV.seen)
if looked and (now - looked > SILENCE or looked - now > BACK) then
  stepped = now
elseif seen >= 0 and now - seen > stepped + 1000 then
  stepped = now - seen
end
stepped = math.min(stepped, now)
redis.call('HSET', KEYS.replication, 'looked', digits(now), 'stepped', digits(stepped), 'fence', ARGV.fence)
return stepped > 0 and now - stepped or -1
