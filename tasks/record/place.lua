-- Says where asynq (v0.26) has a task, and on request removes it from there.
-- "stuck" is a hash that no list of asynq's refers to, so that asynq can neither
-- list nor run it; "half" one that asynq began to archive and could not finish.
-- Pending and active tasks are not looked for in their lists, which may be long.
--
-- KEYS: task, archived, lease, completed, retry, scheduled, active (all of asynq)
-- ARGV: task id, "look", "drop" (removes what is archived, stuck, half or a dangling
--       entry of the archive, nothing else), "tidy" (removes a dangling entry only) or
--       "mend" (finishes a half one); for "drop", optionally, the message that must still
--       be there: another one is another death; and when it was archived, empty for any time
-- Returns: none, archived, stuck, half, dropped, or another of asynq's states
local id, mode = ARGV[1], ARGV[2]
if redis.call('EXISTS', KEYS[1]) == 0 then
  if mode == 'drop' or mode == 'tidy' then redis.call('ZREM', KEYS[2], id) end
  return 'none'
end
local f = redis.call('HMGET', KEYS[1], 'state', 'msg', 'unique_key')
local lists = {archived = 2, completed = 4, retry = 5, scheduled = 6}
local place = f[1]
if not f[1] or not f[2] then
  place = 'stuck'
elseif lists[place] and not redis.call('ZSCORE', KEYS[lists[place]], id) then
  place = 'stuck'
elseif place == 'active' and redis.call('ZSCORE', KEYS[2], id) and not redis.call('ZSCORE', KEYS[3], id) then
  place = 'half' -- a task that runs is never in the archive and always has a lease
end
if mode == 'mend' and place == 'half' then
  redis.call('HSET', KEYS[1], 'state', 'archived', 'ecpayq_mended', '1') -- by asynq, though its message does not say so
  return 'archived'
end
if mode == 'drop' and ARGV[3] and ARGV[3] ~= (f[2] or '') then
  return place
end
if mode == 'drop' and (ARGV[4] or '') ~= '' and tonumber(ARGV[4]) ~= tonumber(redis.call('ZSCORE', KEYS[2], id) or '') then
  return place
end
if mode == 'drop' and (place == 'archived' or place == 'stuck' or place == 'half') then
  redis.call('ZREM', KEYS[2], id)
  if place == 'stuck' and f[1] == 'active' then -- asynq dequeued an id without a task
    redis.call('LREM', KEYS[7], 0, id)
    redis.call('ZREM', KEYS[3], id)
  end
  if f[3] and f[3] ~= '' and redis.call('GET', f[3]) == id then
    redis.call('DEL', f[3])
  end
  redis.call('DEL', KEYS[1])
  return 'dropped'
end
return place
