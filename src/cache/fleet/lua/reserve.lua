-- ARGV: 1 lease, 2 ttl ms, 3 grace ms, 4 slots, 5 requests, 6 tokens per minute (0 = no limit), 7 tokens to reserve, 8 budget of
-- the day, 9 its end, 10 cost to reserve, 11 1 = a probe, 12 what the day has cost if the store does not know ('' = ask).
-- Returns {missing, wait ms, slots, requests, tokens, cost of the day, bucket}; missing: 0 nothing, 1 slots, 2 requests,
-- 3 tokens, 4 budget, 5 the probe's place, -1 the store must be told what the day has cost.
local SIZE, RINGS = 1000, 61
local now = now_ms()
local slots, rpm, tpm, tokens = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local budget, day, cost = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
expire_leases(now)
if budget > 0 then
  local known = tonumber(redis.call('HGET', KEYS[5], 'day'))
  if not known and ARGV[12] == '' then return { -1, 0, 0, 0, 0, 0, 0 } end
  if not known or known < day then
    redis.call('HSET', KEYS[5], 'day', ARGV[9], 'spent', known and '0' or ARGV[12], 'reserved', '0')
  end
  redis.call('PEXPIRE', KEYS[5], 172800000)
end
local spent = 0
if budget > 0 then
  local known = redis.call('HMGET', KEYS[5], 'spent', 'reserved')
  spent = tonumber(known[1]) + tonumber(known[2])
end
local held = redis.call('ZCARD', KEYS[1])
local current, requests, live_requests = 0, 0, {}
local used, live_tokens = 0, {}
current = math.floor(now / SIZE)
if rpm > 0 then current, requests, live_requests = window(KEYS[3], now, SIZE, RINGS) end
if tpm > 0 then current, used, live_tokens = window(KEYS[4], now, SIZE, RINGS) end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return { 0, 0, held, requests, used, spent, current } end
local function missing(what, ms) return { what, ms, held, requests, used, spent, current } end
if slots > 0 and held >= slots then
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return missing(1, math.max(1, tonumber(first[2]) - now))
end
if rpm > 0 then
  local ms = wait(now, SIZE, RINGS, requests, live_requests, 1, rpm)
  if ms ~= 0 then return missing(2, ms) end
end
if tpm > 0 then
  local ms = wait(now, SIZE, RINGS, used, live_tokens, tokens, tpm)
  if ms ~= 0 then return missing(3, ms) end
end
if budget > 0 and spent + cost > budget then return missing(4, math.max(1, day - now)) end
if ARGV[11] == '1' then
  local ttl = tonumber(ARGV[2])
  if not redis.call('SET', KEYS[6], ARGV[1], 'NX', 'PX', ttl) then
    return missing(5, math.max(1, redis.call('PTTL', KEYS[6])))
  end
end
add_lease(now, ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[10], ARGV[9])
if rpm > 0 then
  count(KEYS[3], current, SIZE, RINGS, 1)
  requests = requests + 1
end
if tpm > 0 then
  count(KEYS[4], current, SIZE, RINGS, tokens)
  used = used + tokens
end
return { 0, 0, held + 1, requests, used, spent + cost, current }
