-- Records how a try ended.
--
-- The state of an endpoint, a hash; times in ms:
--   failing_since  when it failed first after the last delivery; failures: how often since
--   last_at, last_result, last_text  the last try
--   success_at     the last delivery
--   resume_at      until when it wants to be left alone
--   next_at        when the next request may go, where it has an interval
--   disabled_at, disabled_why  since when nothing is sent: gone, failing, or full of those that were given up
--   missed         outcomes that were not kept any more when they were to be put into the queue
--
-- Keys and arguments: finishKeys and finishArgs in queue.go.
-- Returns: disabled (why, where this try disables it), given_up, next (the id of the next one of the subject,
--          which this one held up)
local now, out = redis_now(), ANSWER{disabled = '', next = ''}
local function next_one()
  local head = ARGV.member
  while head do
    redis.call('ZREM', KEYS.open, head)
    head = redis.call('ZRANGEBYLEX', KEYS.open, '[' .. ARGV.subject, '(' .. ARGV.subject .. 'g', 'LIMIT', 0, 1)[1]
    if head and lives(ARGV.tasks, id_of(head)) then
      out[ANSWER.next] = id_of(head)
      return
    end -- else a person has deleted or archived it
  end
end
redis.call('HSET', KEYS.state, 'last_at', digits(now), 'last_result', ARGV.result, 'last_text', ARGV.text)
if ARGV.result == 'delivered' then
  redis.call('HDEL', KEYS.state, 'failing_since', 'failures')
  redis.call('HSET', KEYS.state, 'success_at', digits(now))
  next_one()
  return out
end
redis.call('HSETNX', KEYS.state, 'failing_since', digits(now))
redis.call('HINCRBY', KEYS.state, 'failures', 1)
local s = FIELDS(KEYS.state, 'failing_since', 'resume_at', 'disabled_at')
local pause = tonumber(ARGV.retry_after)
if pause > 0 then redis.call('HSET', KEYS.state, 'resume_at', digits(math.max(now + pause, tonumber(s.resume_at) or 0))) end
local why
if ARGV.result == 'gone' then why = 'gone'
elseif now - (tonumber(s.failing_since) or now) >= tonumber(ARGV.patience) then why = 'failing'
elseif ARGV.last == '1' and redis.call('ZCARD', KEYS.archived) >= tonumber(ARGV.most_dead) then why = 'full' end
if why or s.disabled_at then
  if why and not s.disabled_at then
    redis.call('HSET', KEYS.state, 'disabled_at', digits(now), 'disabled_why', why)
    out[ANSWER.disabled] = why
  end
elseif ARGV.last == '1' then
  out[ANSWER.given_up] = 1
  next_one()
  -- Where nothing is left to try, the next failure is the first one again.
  if redis.call('ZCARD', KEYS.open) == 0 then redis.call('HDEL', KEYS.state, 'failing_since', 'failures') end
end
return out
