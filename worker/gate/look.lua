-- Notes that a worker looked, and tells when the clocks were set last. All of them may be set
-- at once, as on one machine, and then neither Redis' clock nor a worker's tells that less
-- time has passed than they say. A worker that runs meanwhile notices it by its monotonic
-- clock; for one that begins later, workers look every 10 seconds: when by Redis' clock
-- nobody did for longer, it was set, or nobody was there to notice. Where those that run
-- notice the same, the later time stands. Safe to execute twice.
--
-- KEYS: replication history
-- ARGV: whether it is the history of this Redis (1/0), how long ago the worker saw its clock set (ms, -1 for never), its
--       fence (ms)
-- Returns: how long ago the clocks were set, as far as anybody knows (ms, -1 for never)
local SILENCE, BACK = 30000, 5000
local now = redis_now()
if ARGV[1] == '1' then lost_writes(KEYS[1], now) end
local h = redis.call('HMGET', KEYS[1], 'looked', 'stepped')
local looked, stepped, seen = tonumber(h[1]), tonumber(h[2]) or 0, tonumber(ARGV[2])
if looked and (now - looked > SILENCE or looked - now > BACK) then
  stepped = now
elseif seen >= 0 and now - seen > stepped + 1000 then
  stepped = now - seen
end
stepped = math.min(stepped, now)
redis.call('HSET', KEYS[1], 'looked', digits(now), 'stepped', digits(stepped), 'fence', ARGV[3])
return stepped > 0 and now - stepped or -1
