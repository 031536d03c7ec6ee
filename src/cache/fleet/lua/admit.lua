-- KEYS 6… rates. ARGV: 1 member, 2 ttl ms, 3 grace ms, 4 slots of the key, 5 of the user (0 = no limit), 6 amount, 7 key, 8 number
-- of rates, 9 number of money windows; per rate: size, rings, length, limit, cost, 1 = smooth; per money window: name, limit,
-- start, end (0 = none), what is used if the store does not know ('' = ask).
-- Returns {0, starts…, bucket and use of each rate…}, {1} the key is busy, {2} the user is, {3, rate, wait ms or -1},
-- {4, money window, its end or 0}, {5} the store must be told what is used.
local now = now_ms()
local member, ttl, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local rates, caps = tonumber(ARGV[8]), tonumber(ARGV[9])
expire_user(now)
local taken = {}
for r = 0, rates - 1 do
  local a, key = 10 + r * 6, KEYS[6 + r]
  local size, rings, length = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local limit, cost = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local current, sum, live = window(key, now, size, rings)
  local ms = wait(now, size, rings, sum, live, cost, limit)
  local left
  if ARGV[a + 5] == '1' and ms >= 0 then
    left = level(key, now, limit, length)
    ms = math.max(ms, math.ceil((cost * length - left) / limit))
  end
  if ms ~= 0 then return { 3, r, ms } end
  taken[r] = { key, current, size, rings, cost, sum, left and left - cost * length }
end
if tonumber(ARGV[4]) > 0 and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return { 1 } end
if tonumber(ARGV[5]) > 0 and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then return { 2 } end
local first, amount, answer, starts = 10 + rates * 6, tonumber(ARGV[6]), { 0 }, ''
for c = 0, caps - 1 do
  local a = first + c * 5
  local name, field = ARGV[a], 'k' .. ARGV[7] .. ':' .. ARGV[a]
  local known = redis.call('HMGET', KEYS[5], field .. ':s', field .. ':e', field .. ':u', field .. ':h')
  if not known[1] then
    if ARGV[a + 4] == '' then return { 5 } end
    known = { ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], held_in(ARGV[7], name, ARGV[a + 2]) }
    redis.call('HSET', KEYS[5], field .. ':s', known[1], field .. ':e', known[2], field .. ':u', known[3], field .. ':h', known[4])
  elseif known[2] ~= '0' and tonumber(known[2]) <= now then
    known = { ARGV[a + 2], ARGV[a + 3], '0', '0' }
    redis.call('HSET', KEYS[5], field .. ':s', known[1], field .. ':e', known[2], field .. ':u', '0', field .. ':h', '0')
  end
  local limit = tonumber(ARGV[a + 1])
  if amount > 0 and limit > 0 and tonumber(known[3]) + tonumber(known[4]) + amount > limit then
    return { 4, c, tonumber(known[2]) }
  end
  answer[#answer + 1] = tonumber(known[1])
  starts = starts .. name .. '=' .. known[1] .. ';'
end
for c = 0, caps - 1 do
  redis.call('HINCRBY', KEYS[5], 'k' .. ARGV[7] .. ':' .. ARGV[first + c * 5] .. ':h', ARGV[6])
end
for r = 0, rates - 1 do
  local t = taken[r]
  count(t[1], t[2], t[3], t[4], t[5])
  if t[7] then set_level(t[1], now, t[7]) end
  answer[#answer + 1] = t[2]
  answer[#answer + 1] = t[6] + t[5]
end
for _, key in ipairs({ KEYS[1], KEYS[2] }) do
  redis.call('ZADD', key, now + ttl, member)
  redis.call('PEXPIRE', key, ttl + grace)
end
redis.call('ZADD', KEYS[3], now + ttl, member)
redis.call('HSET', KEYS[4], member, ARGV[7] .. '|' .. ARGV[6] .. '|' .. starts)
for _, key in ipairs({ KEYS[3], KEYS[4] }) do redis.call('PEXPIRE', key, LATE * 2) end
if caps > 0 then redis.call('PEXPIRE', KEYS[5], KEEP) end
return answer
