-- KEYS[1] who leads. ARGV: 1 who asks, 2 for how long, in ms. Returns 1 when the asker leads now.
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
