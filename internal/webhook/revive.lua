-- Executed before asynq's script that stores the task of a delivery again that was given up: both
-- are executed or none, so that its tries begin anew. Safe to execute twice: the second execution
-- finds that it is not given up.
--
-- Keys and arguments: reviveKeys and reviveArgs in queue.go.
-- Returns: -1 where it is not given up, else nothing
if not asynq_discard(KEYS.task, KEYS.archived, ARGV.id) then return -1 end
redis.call('ZADD', KEYS.open, 0, ARGV.member)
