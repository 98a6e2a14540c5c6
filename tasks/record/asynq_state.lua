-- Says where asynq (v0.26) has a task: none, archived, stuck, half, or another of asynq's
-- states; and, where there is one, its state, message and unique key as they are stored.
-- "stuck" is a hash that no list of asynq's refers to, so that asynq can neither
-- list nor run it; "half" one that asynq began to archive and could not finish.
-- Pending and active tasks are not looked for in their lists, which may be long.
--
-- KEYS: task, archived, lease, completed, retry, scheduled (all of asynq)
local function asynq_state(id)
  if redis.call('EXISTS', KEYS[1]) == 0 then
    return 'none'
  end
  local stored = redis.call('HMGET', KEYS[1], 'state', 'msg', 'unique_key')
  local lists = {archived = 2, completed = 4, retry = 5, scheduled = 6}
  local state = stored[1]
  if not stored[1] or not stored[2] then
    state = 'stuck'
  elseif lists[state] and not redis.call('ZSCORE', KEYS[lists[state]], id) then
    state = 'stuck'
  elseif state == 'active' and redis.call('ZSCORE', KEYS[2], id) and not redis.call('ZSCORE', KEYS[3], id) then
    state = 'half' -- a task that runs is never in the archive and always has a lease
  end
  return state, stored
end
