-- Removes a delivery that was given up, at a person's word. Safe to execute twice.
--
-- Keys and arguments: discardKeys and discardArgs in queue.go.
-- Returns: 1, or 0 where it is not given up
if redis.call('HGET', KEYS.task, 'state') ~= 'archived' then return 0 end
redis.call('ZREM', KEYS.archived, ARGV.id)
redis.call('DEL', KEYS.task)
return 1
