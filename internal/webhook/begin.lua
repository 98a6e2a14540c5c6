-- Says whether a delivery may be sent now. Safe to execute twice.
--
-- An earlier one of the same subject goes first, as long as asynq has it and it is not given up.
-- What asynq has no more was delivered, given up or deleted by a person, and holds up nobody.
--
-- Keys and arguments: beginKeys and beginArgs in queue.go.
-- Returns: wait (ms), why (disabled, pause, order, pace; empty to send)
local now, out = redis_now(), ANSWER{why = ''}
local s = FIELDS(KEYS.state, 'disabled_at', 'resume_at', 'next_at')
if s.disabled_at then
  out[ANSWER.wait], out[ANSWER.why] = 60000, 'disabled'
  return out
end
local left = (tonumber(s.resume_at) or 0) - now
if left > 0 then
  out[ANSWER.wait], out[ANSWER.why] = left, 'pause'
  return out
end
redis.call('ZADD', KEYS.open, 'NX', 0, ARGV.member) -- one that was given up, and that a person runs again
while true do
  local head = redis.call('ZRANGEBYLEX', KEYS.open, '[' .. ARGV.subject, '(' .. ARGV.member, 'LIMIT', 0, 1)[1]
  if not head then break end
  local id = id_of(head)
  if lives(ARGV.tasks, id) then
    -- Whoever delivers it wakes this one; the time is for the case that it dies before, or that a
    -- person deletes or archives the earlier one.
    local due = tonumber(redis.call('ZSCORE', KEYS.retry, id)) or 0
    out[ANSWER.wait], out[ANSWER.why] = math.max(2000, math.min(due * 1000 - now + 2000, 600000)), 'order'
    return out
  end
  redis.call('ZREM', KEYS.open, head)
end
local interval = tonumber(ARGV.interval)
if interval > 0 then
  local at = math.max(now, tonumber(s.next_at) or 0)
  if at - now > tonumber(ARGV.patient) then
    out[ANSWER.wait], out[ANSWER.why] = at - now, 'pace'
    return out
  end
  redis.call('HSET', KEYS.state, 'next_at', digits(at + interval))
  out[ANSWER.wait] = at - now
end
return out
