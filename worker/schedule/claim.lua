-- Claims a slot of a schedule, or takes it over from who has gone. Safe to execute
-- twice: the second execution finds its own token.
--
-- Keys and arguments: stateKeys and claimArgs in state.go.
-- Returns: answer (new: seen for the first time, what is past is not caught up with; done; busy: somebody else
--          has a claim; ok), how many were replayed in this slot before
local now, slot = redis_now(), tonumber(ARGV.slot)
local s = FIELDS(KEYS.state, 'last', 'slot', 'token', 'ends', 'used')
redis.call('PEXPIRE', KEYS.state, ARGV.life)
if not s.last then
  redis.call('HSET', KEYS.state, 'last', ARGV.slot)
  redis.call('PEXPIRE', KEYS.state, ARGV.life)
  return {'new', 0}
end
if slot <= tonumber(s.last) then
  return {'done', 0}
end
if s.token and s.token ~= ARGV.token and (tonumber(s.ends) or 0) > now then
  return {'busy', 0}
end
local used = 0
if s.slot == ARGV.slot then used = tonumber(s.used) or 0 end
redis.call('HSET', KEYS.state, 'slot', ARGV.slot, 'token', ARGV.token, 'ends', now + tonumber(ARGV.lease), 'used', used)
return {'ok', used}
