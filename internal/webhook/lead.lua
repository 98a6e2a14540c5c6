-- Takes or keeps the lead, by which one process fills the queue. Two that do lose nothing.
--
-- Keys and arguments: leadKeys and leadArgs in queue.go.
-- Returns: 1 for who has it
local holder = redis.call('GET', KEYS.leader)
if holder and holder ~= ARGV.token then return 0 end
redis.call('SET', KEYS.leader, ARGV.token, 'PX', ARGV.life)
return 1
