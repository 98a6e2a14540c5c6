-- Takes back a correction that is not run, because another caller had the task run again first.
-- A correction that was made later stays. Safe to execute twice.
--
-- Keys and arguments: uncorrectKeys and uncorrectArgs in revive.go.
local r = FIELDS(KEYS.task, 'fixed_by', 'base_payload', 'base_headers', 'base_fix', 'base_original')
if r.fixed_by ~= ARGV.nonce then
  return 0
end
redis.call('HSET', KEYS.task, 'payload', r.base_payload or '', 'headers', r.base_headers or '')
if r.base_fix == '1' then
  redis.call('HSET', KEYS.task, 'fix', '1')
else
  redis.call('HDEL', KEYS.task, 'fix')
end
if r.base_original ~= '1' then redis.call('HDEL', KEYS.task, 'original') end
redis.call('HDEL', KEYS.task, 'fixed_by', 'base_died', 'base_payload', 'base_headers', 'base_fix', 'base_original')
return 1
