-- Says where asynq has a task: none, archived, stuck, half, or another of asynq's states; and, where
-- there is one, its state, message and unique key as they are stored.
-- "stuck" is a hash that no list of asynq's refers to, so that asynq can neither
-- list nor run it; "half" one that asynq began to archive and could not finish.
-- Pending and active tasks are not looked for in their lists, which may be long.
--
-- Keys: StateKeys in state.go.
local function asynq_state(id)
  if redis.call('EXISTS', KEYS.task) == 0 then
    return 'none'
  end
  local stored = redis.call('HMGET', KEYS.task, 'state', 'msg', 'unique_key')
  local lists = {archived = KEYS.archived, completed = KEYS.completed, retry = KEYS.retry, scheduled = KEYS.scheduled}
  local state = stored[1]
  if not stored[1] or not stored[2] then
    state = 'stuck'
  elseif lists[state] and not redis.call('ZSCORE', lists[state], id) then
    state = 'stuck'
  elseif state == 'active' and redis.call('ZSCORE', KEYS.archived, id) and not redis.call('ZSCORE', KEYS.lease, id) then
    state = 'half' -- a task that runs is never in the archive and always has a lease
  end
  return state, stored
end
