-- Claims a slot of a schedule, or takes it over from who has gone. Safe to execute
-- twice: the second execution finds its own token.
--
-- KEYS: state of the schedule
-- ARGV: slot (ms), token, life of the claim (ms), life of the state (ms)
-- Returns: answer (new: seen for the first time, what is past is not caught up with; done; busy: somebody else
--          has a claim; ok), how many were replayed in this slot before
local now, slot = redis_now(), tonumber(ARGV[1])
local s = redis.call('HMGET', KEYS[1], 'last', 'slot', 'token', 'ends', 'used')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if not s[1] then
  redis.call('HSET', KEYS[1], 'last', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return {'new', 0}
end
if slot <= tonumber(s[1]) then
  return {'done', 0}
end
if s[3] and s[3] ~= ARGV[2] and (tonumber(s[4]) or 0) > now then
  return {'busy', 0}
end
local used = 0
if s[2] == ARGV[1] then used = tonumber(s[5]) or 0 end
redis.call('HSET', KEYS[1], 'slot', ARGV[1], 'token', ARGV[2], 'ends', now + tonumber(ARGV[3]), 'used', used)
return {'ok', used}
