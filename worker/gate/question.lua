-- Permits one request of a merchant that belongs to no task. It goes next, takes no place in
-- line, and is not sent into a pause that ECPay asked for. Safe to execute twice.
--
-- KEYS: pace, requests in flight
-- ARGV: who asks, interval (µs), most requests in flight, how long it may take (µs)
-- Returns: how long to wait first (µs), and why
local ban = tonumber(redis.call('HGET', KEYS[1], 'ban')) or 0
if ban > micros() then return {ban - micros(), BANNED} end
local wait, _, why = permission(KEYS[1], KEYS[2], ARGV[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), NEXT, 0, tonumber(ARGV[4]), '', 0, 0, false)
return {wait, why}
