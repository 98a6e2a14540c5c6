-- Takes back a correction that came to nothing: somebody else was faster to have the
-- task run again. Another correction made since stays. Safe to execute twice.
--
-- KEYS: record
-- ARGV: the nonce of the replay that made it
local r = redis.call('HMGET', KEYS[1], 'fixed_by', 'base_payload', 'base_headers', 'base_fix', 'base_original')
if r[1] ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'payload', r[2] or '', 'headers', r[3] or '')
if r[4] == '1' then
  redis.call('HSET', KEYS[1], 'fix', '1')
else
  redis.call('HDEL', KEYS[1], 'fix')
end
if r[5] ~= '1' then redis.call('HDEL', KEYS[1], 'original') end
redis.call('HDEL', KEYS[1], 'fixed_by', 'base_died', 'base_payload', 'base_headers', 'base_fix', 'base_original')
return 1
