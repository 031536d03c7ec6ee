-- Shared by the scripts on an account. KEYS: 1 leases by their end, 2 what each reserved ("cost|day"), 3 requests, 4 tokens of
-- the minute, 5 budget of the day, 6 the probe of a half-open breaker.
local function release_cost(cost, day)
  if redis.call('HGET', KEYS[5], 'day') == day then
    redis.call('HINCRBY', KEYS[5], 'reserved', '-' .. cost)
  end
end

local function drop_lease(lease)
  local record = redis.call('HGET', KEYS[2], lease)
  redis.call('ZREM', KEYS[1], lease)
  if record then
    redis.call('HDEL', KEYS[2], lease)
    local cost, day = string.match(record, '^(%d+)|(%d+)$')
    release_cost(cost, day)
  end
end

local function expire_leases(now)
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do drop_lease(lease) end
end

local function add_lease(now, lease, ttl, grace, cost, day)
  redis.call('ZADD', KEYS[1], now + ttl, lease)
  redis.call('HSET', KEYS[2], lease, cost .. '|' .. day)
  redis.call('PEXPIRE', KEYS[1], ttl + grace)
  redis.call('PEXPIRE', KEYS[2], ttl + grace)
  if redis.call('HGET', KEYS[5], 'day') == day then redis.call('HINCRBY', KEYS[5], 'reserved', cost) end
end
