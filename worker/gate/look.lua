-- Notes that a worker looked, and returns when the clocks were set last. All clocks may be set
-- at once, as on one machine, and then neither Redis' clock nor a worker's shows that less time
-- has passed than they say. A worker that runs at that moment notices it by its monotonic clock.
-- For workers that begin later, each worker looks every 10 seconds: where by Redis' clock none
-- looked for longer than 30, that clock was set, or no worker ran that could notice it. Where
-- several workers notice one change, the latest time stands. Safe to execute twice.
--
-- Keys and arguments: lookKeys and lookArgs in scripts.go.
-- Returns: how long ago the clocks were set, as far as anybody knows (ms, -1 for never)
local SILENCE, BACK = 30000, 5000
local now = redis_now()
if ARGV.is_history == '1' then lost_writes(KEYS.replication, now) end
local h = FIELDS(KEYS.replication, 'looked', 'stepped')
local looked, stepped, seen = tonumber(h.looked), tonumber(h.stepped) or 0, tonumber(ARGV.seen)
if looked and (now - looked > SILENCE or looked - now > BACK) then
  stepped = now
elseif seen >= 0 and now - seen > stepped + 1000 then
  stepped = now - seen
end
stepped = math.min(stepped, now)
redis.call('HSET', KEYS.replication, 'looked', digits(now), 'stepped', digits(stepped), 'fence', ARGV.fence)
return stepped > 0 and now - stepped or -1
