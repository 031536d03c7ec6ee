-- ARGV: 1 member, 2 ttl ms, 3 grace ms, 4 slots of the key, 5 of the user (0 = no limit), 6 1 = its hold is open, 7 1 = its slots
-- are taken, 8 what it holds. What the store has forgotten is taken again while there is room. Returns 0 when there is none.
local now, ttl, grace = now_ms(), tonumber(ARGV[2]), tonumber(ARGV[3])
expire_user(now)
if ARGV[6] == '1' then
  local record = redis.call('HGET', KEYS[4], ARGV[1])
  if not record or string.match(record, '^%d+|0|') then
    local key, amount, starts = parse(ARGV[8])
    for _, entry in ipairs(starts) do
      local field = 'k' .. key .. ':' .. entry[1]
      if redis.call('HGET', KEYS[5], field .. ':s') == entry[2] then
        redis.call('HINCRBY', KEYS[5], field .. ':h', amount)
      end
    end
    redis.call('HSET', KEYS[4], ARGV[1], ARGV[8])
  end
  redis.call('ZADD', KEYS[3], now + ttl, ARGV[1])
  for _, key in ipairs({ KEYS[3], KEYS[4] }) do redis.call('PEXPIRE', key, LATE * 2) end
end
if ARGV[7] ~= '1' then return 1 end
local function has_room(key, limit)
  return tonumber(limit) == 0 or redis.call('ZSCORE', key, ARGV[1]) or redis.call('ZCARD', key) < tonumber(limit)
end
if not has_room(KEYS[1], ARGV[4]) or not has_room(KEYS[2], ARGV[5]) then return 0 end
for _, key in ipairs({ KEYS[1], KEYS[2] }) do
  redis.call('ZADD', key, now + ttl, ARGV[1])
  redis.call('PEXPIRE', key, ttl + grace)
end
return 1
