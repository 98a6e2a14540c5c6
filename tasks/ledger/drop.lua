-- Removes a task from asynq, or finishes what asynq could not.
--
-- Keys and arguments: asynqx.DropKeys, and dropArgs in drop.go.
-- Returns: dropped, or where asynq has the task
local id, mode = ARGV.id, ARGV.mode
local state, stored = asynq_state(id)
if state == 'none' then
  if mode == 'drop' or mode == 'tidy' then asynq_tidy(id) end
  return state
end
if mode == 'mend' and state == 'half' then
  asynq_mend() -- by asynq, though its message does not say so
  return 'archived'
end
if mode == 'drop' and ARGV.message and ARGV.message ~= (stored[2] or '') then
  return state
end
local archived_at = ARGV.archived_at or ''
if mode == 'drop' and archived_at ~= '' and tonumber(archived_at) ~= asynq_archived_at(id) then
  return state
end
if mode == 'drop' and (state == 'archived' or state == 'stuck' or state == 'half') then
  asynq_drop(id, state, stored)
  return 'dropped'
end
return state
