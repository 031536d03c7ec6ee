-- KEYS 6… rates. ARGV: 1 member, 2 charge, 3 1 = the request counts nowhere; per rate: bucket, correction, cost, limit, length,
-- 1 = smooth. Settling twice changes nothing.
local record = redis.call('HGET', KEYS[4], ARGV[1])
if not record then return 0 end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
book(record, ARGV[2])
local now = now_ms()
for r = 0, #KEYS - 6 do
  local a, key = 4 + r * 6, KEYS[6 + r]
  correct(key, ARGV[a], tonumber(ARGV[a + 1]))
  if ARGV[3] == '1' and ARGV[a + 5] == '1' and redis.call('HEXISTS', key, 'l') == 1 then
    local limit, length = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
    local left = level(key, now, limit, length) + tonumber(ARGV[a + 2]) * length
    set_level(key, now, math.min(limit * length, left))
  end
end
return 1
