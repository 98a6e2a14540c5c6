-- The state of a task as its hash has it, false where there is none.
local function asynq_stored_state(task) return redis.call('HGET', task, 'state') end
-- Whether asynq will run a task, or runs it: else it is completed, archived or gone.
local function asynq_will_run(task)
  local state = asynq_stored_state(task)
  return state == 'pending' or state == 'active' or state == 'retry' or state == 'scheduled'
end
-- Removes a task that has no unique key and is archived, and reports whether it was.
local function asynq_discard(task, archived, id)
  if asynq_stored_state(task) ~= 'archived' then return false end
  redis.call('ZREM', archived, id)
  redis.call('DEL', task)
  return true
end
