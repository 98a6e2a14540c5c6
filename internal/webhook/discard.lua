-- Removes a delivery that was given up, at a person's word. Safe to execute twice.
--
-- Keys and arguments: discardKeys and discardArgs in queue.go.
-- Returns: 1, or 0 where it is not given up
return asynq_discard(KEYS.task, KEYS.archived, ARGV.id) and 1 or 0
