-- Takes back a correction that is not run, because another caller had the task run again first.
-- A correction that was made later stays. Safe to execute twice.
--
-- Keys and arguments: uncorrectKeys and uncorrectArgs in revive.go.
local r = redis.call('HMGET', KEYS.task, 'fixed_by', 'base_payload', 'base_headers', 'base_fix', 'base_original')
if r[1] ~= ARGV.nonce then
  return 0
end
redis.call('HSET', KEYS.task, 'payload', r[2] or '', 'headers', r[3] or '')
if r[4] == '1' then
  redis.call('HSET', KEYS.task, 'fix', '1')
else
  redis.call('HDEL', KEYS.task, 'fix')
end
if r[5] ~= '1' then redis.call('HDEL', KEYS.task, 'original') end
redis.call('HDEL', KEYS.task, 'fixed_by', 'base_died', 'base_payload', 'base_headers', 'base_fix', 'base_original')
return 1
