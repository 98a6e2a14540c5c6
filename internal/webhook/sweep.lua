-- Takes those out of the open deliveries that asynq does not have any more, or has in its archive: a
-- person has deleted or archived them. Safe to execute twice.
--
-- Keys and arguments: sweepKeys and sweepArgs in queue.go.
-- Returns: how many
local n = 0
for _, member in ipairs(redis.call('ZRANGE', KEYS.open, 0, -1)) do
  if not lives(ARGV.tasks, id_of(member)) then
    n = n + redis.call('ZREM', KEYS.open, member)
  end
end
return n
