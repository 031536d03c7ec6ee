-- KEYS[1] set of leases; ARGV: lease id, ttl ms, limit (0 = none), grace ms.
-- Returns {granted, holders, ms until the next lease ends}. The check comes before the add: who is refused never
-- appears in the set. Asking again with a held id extends it.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local ttl, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('ZSCORE', KEYS[1], ARGV[1])
local count = redis.call('ZCARD', KEYS[1])
if not held and limit > 0 and count >= limit then
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return {0, count, math.max(1, tonumber(first[2]) - now)}
end
redis.call('ZADD', KEYS[1], now + ttl, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ttl + tonumber(ARGV[4]))
if held then return {1, count, 0} end
return {1, count + 1, 0}
