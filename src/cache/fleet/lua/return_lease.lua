-- ARGV: 1 lease, 2 slots (0 = no limit), 3 bucket, 4 correction of the tokens, 5 end of the budget day, 6 what it cost,
-- 7 1 = it was never used, 8 channel, 9 news. Giving back twice changes nothing.
local held = redis.call('ZCARD', KEYS[1])
if redis.call('GET', KEYS[6]) == ARGV[1] then redis.call('DEL', KEYS[6]) end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
drop_lease(ARGV[1])
correct(KEYS[4], ARGV[3], tonumber(ARGV[4]))
if ARGV[7] == '1' then correct(KEYS[3], ARGV[3], -1) end
if redis.call('HGET', KEYS[5], 'day') == ARGV[5] then redis.call('HINCRBY', KEYS[5], 'spent', ARGV[6]) end
if tonumber(ARGV[2]) > 0 and held >= tonumber(ARGV[2]) then redis.call('PUBLISH', ARGV[8], ARGV[9]) end
return 1
