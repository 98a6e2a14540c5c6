-- Removes a task from asynq (v0.26), or finishes what asynq could not.
--
-- Keys and arguments: dropKeys and dropArgs in drop.go.
-- Returns: dropped, or where asynq has the task
local id, mode = ARGV.id, ARGV.mode
local state, stored = asynq_state(id)
if state == 'none' then
  if mode == 'drop' or mode == 'tidy' then redis.call('ZREM', KEYS.archived, id) end
  return state
end
if mode == 'mend' and state == 'half' then
  redis.call('HSET', KEYS.task, 'state', 'archived', 'ecpayq_mended', '1') -- by asynq, though its message does not say so
  return 'archived'
end
if mode == 'drop' and ARGV.message and ARGV.message ~= (stored[2] or '') then
  return state
end
local archived_at = ARGV.archived_at or ''
if mode == 'drop' and archived_at ~= '' and tonumber(archived_at) ~= tonumber(redis.call('ZSCORE', KEYS.archived, id) or '') then
  return state
end
if mode == 'drop' and (state == 'archived' or state == 'stuck' or state == 'half') then
  redis.call('ZREM', KEYS.archived, id)
  if state == 'stuck' and stored[1] == 'active' then -- asynq dequeued an id without a task
    redis.call('LREM', KEYS.active, 0, id)
    redis.call('ZREM', KEYS.lease, id)
  end
  if stored[3] and stored[3] ~= '' and redis.call('GET', stored[3]) == id then
    redis.call('DEL', stored[3])
  end
  redis.call('DEL', KEYS.task)
  return 'dropped'
end
return state
