-- Removes a task from asynq (v0.26), or finishes what asynq could not.
--
-- KEYS: those of asynq_state, then active (of asynq)
-- ARGV: task id, "drop" (removes what is archived, stuck, half or a dangling
--       entry of the archive, nothing else), "tidy" (removes a dangling entry only) or
--       "mend" (finishes a half one); for "drop", optionally, the message that must still
--       be there: another one is another death; and when it was archived, empty for any time
-- Returns: dropped, or where asynq has the task
local id, mode = ARGV[1], ARGV[2]
local state, stored = asynq_state(id)
if state == 'none' then
  if mode == 'drop' or mode == 'tidy' then redis.call('ZREM', KEYS[2], id) end
  return state
end
if mode == 'mend' and state == 'half' then
  redis.call('HSET', KEYS[1], 'state', 'archived', 'ecpayq_mended', '1') -- by asynq, though its message does not say so
  return 'archived'
end
if mode == 'drop' and ARGV[3] and ARGV[3] ~= (stored[2] or '') then
  return state
end
if mode == 'drop' and (ARGV[4] or '') ~= '' and tonumber(ARGV[4]) ~= tonumber(redis.call('ZSCORE', KEYS[2], id) or '') then
  return state
end
if mode == 'drop' and (state == 'archived' or state == 'stuck' or state == 'half') then
  redis.call('ZREM', KEYS[2], id)
  if state == 'stuck' and stored[1] == 'active' then -- asynq dequeued an id without a task
    redis.call('LREM', KEYS[7], 0, id)
    redis.call('ZREM', KEYS[3], id)
  end
  if stored[3] and stored[3] ~= '' and redis.call('GET', stored[3]) == id then
    redis.call('DEL', stored[3])
  end
  redis.call('DEL', KEYS[1])
  return 'dropped'
end
return state
