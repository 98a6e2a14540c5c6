-- Executed before asynq's script that stores the task of a delivery: both are executed or none.
-- Safe to execute twice: the second execution finds that the position is another one.
--
-- Keys and arguments: forwardKeys and forwardArgs in queue.go.
-- Returns: -1 where another process has put it in, else nothing
if (redis.call('HGET', KEYS.positions, ARGV.merchant) or '') ~= ARGV.from then return -1 end
redis.call('HSET', KEYS.positions, ARGV.merchant, ARGV.to)
redis.call('ZADD', KEYS.open, 0, ARGV.member)
