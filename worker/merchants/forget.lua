-- Takes tasks out of those that are held, unless they were held again meanwhile.
--
-- KEYS: tasks that are held for the merchant
-- ARGV: ids, each with when it was to run again (ms)
for i = 1, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i])) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return 1
