-- KEYS: 1 instances by their last beat, 2 a mark that only a flush removes. ARGV: 1 instance, 2 how long one lives, in ms, 3 a new
-- mark. Returns {living instances, mark}.
local now = now_ms()
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('SET', KEYS[2], ARGV[3], 'NX')
return { redis.call('ZCARD', KEYS[1]), redis.call('GET', KEYS[2]) }
