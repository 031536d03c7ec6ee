-- KEYS: 1 slots of the key, 2 slots of the user. ARGV: 1 member, 2 slots of the key, 3 of the user (0 = no limit), 4 channel,
-- 5 news. Giving back twice changes nothing.
local function full(key, limit)
  return tonumber(limit) > 0 and redis.call('ZCARD', key) >= tonumber(limit)
end
local was_full = full(KEYS[1], ARGV[2]) or full(KEYS[2], ARGV[3])
local gone = redis.call('ZREM', KEYS[1], ARGV[1]) + redis.call('ZREM', KEYS[2], ARGV[1])
if gone > 0 and was_full then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return gone
