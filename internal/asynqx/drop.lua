-- What a script with DropKeys and state.lua may do to a task that asynq will not run.
--
-- Removes one that is archived, stuck or half, with its unique key. stored is the second answer of
-- asynq_state.
local function asynq_drop(id, state, stored)
  redis.call('ZREM', KEYS.archived, id)
  if state == 'stuck' and stored[1] == 'active' then -- asynq dequeued an id without a task
    redis.call('LREM', KEYS.active, 0, id)
    redis.call('ZREM', KEYS.lease, id)
  end
  if stored[3] and stored[3] ~= '' and redis.call('GET', stored[3]) == id then
    redis.call('DEL', stored[3])
  end
  redis.call('DEL', KEYS.task)
end
-- Removes the entry of the archive of one that is not there.
local function asynq_tidy(id) redis.call('ZREM', KEYS.archived, id) end
-- When the task was archived: seconds, nil where it was not.
local function asynq_archived_at(id) return tonumber(redis.call('ZSCORE', KEYS.archived, id) or '') end
-- Finishes one that is half. The field tells asynq_mended that asynq's message does not say so.
local function asynq_mend() redis.call('HSET', KEYS.task, 'state', 'archived', 'ecpayq_mended', '1') end
