-- Shared by the scripts that count rates. A window is a hash of buckets: index → amount; `size` ms each, `rings` of them
-- count, the running one included. `l` and `t` are level and time of its token bucket.
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function window(key, now, size, rings)
  local current, sum, live = math.floor(now / size), 0, {}
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local bucket = tonumber(all[i])
    if bucket and bucket > current - rings then
      local amount = tonumber(all[i + 1])
      sum = sum + amount
      live[#live + 1] = { bucket, amount }
    elseif bucket then
      redis.call('HDEL', key, all[i])
    end
  end
  return current, sum, live
end

-- Milliseconds until `cost` passes: 0 = now, -1 = never.
local function wait(now, size, rings, sum, live, cost, limit)
  if cost > limit then return -1 end
  local excess = sum + cost - limit
  if excess <= 0 then return 0 end
  table.sort(live, function(a, b) return a[1] < b[1] end)
  local last = 0
  for _, bucket in ipairs(live) do
    excess = excess - bucket[2]
    last = bucket[1]
    if excess <= 0 then break end
  end
  return math.max(1, (last + rings) * size - now)
end

local function count(key, current, size, rings, cost)
  redis.call('HINCRBY', key, current, cost)
  redis.call('PEXPIRE', key, (rings + 1) * size)
end

-- Level of the token bucket in units of token × ms.
local function level(key, now, limit, length)
  local stored = redis.call('HMGET', key, 'l', 't')
  local full = limit * length
  if not stored[1] then return full end
  return math.min(full, tonumber(stored[1]) + math.max(0, now - tonumber(stored[2])) * limit)
end

local function set_level(key, now, value)
  redis.call('HSET', key, 'l', string.format('%.0f', value), 't', now)
end

-- Corrects a bucket that still counts.
local function correct(key, bucket, delta)
  local known = redis.call('HGET', key, bucket)
  if not known or delta == 0 then return end
  redis.call('HINCRBY', key, bucket, math.max(delta, -tonumber(known)))
end
