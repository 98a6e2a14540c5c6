-- Permits one request of a merchant that belongs to no task. It goes next, takes no place in
-- line, and is not sent into a pause that ECPay asked for. Safe to execute twice.
--
-- Keys, arguments and answer: paceKeys, questionArgs and questionAnswer in scripts.go.
local ban = tonumber(redis.call('HGET', KEYS.pace, 'ban')) or 0
if ban > micros() then
  return ANSWER{wait = ban - micros(), why = BANNED}
end
local wait, _, why = permission(KEYS.pace, KEYS.flight, ARGV.token, ARGV.token,
  tonumber(ARGV.interval), tonumber(ARGV.in_flight), NEXT, 0, tonumber(ARGV.life), '', 0, 0, false)
return ANSWER{wait = wait, why = why}
