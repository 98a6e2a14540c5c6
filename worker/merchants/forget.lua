-- Takes tasks out of those that are held, unless they were held again meanwhile.
--
-- Keys and arguments: forgetKeys and forgetArgs in wake.go.
for i = FIRST.tasks, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', KEYS.held, ARGV[i])) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', KEYS.held, ARGV[i])
  end
end
return 1
