-- Shared by the scripts on a user with all keys. KEYS: 1 slots of the key, 2 slots of the user, 3 holds by their end, 4 what each
-- holds ("key|amount|window=start;…"), 5 money windows: fields k<key>:<window>:{s,e,u,h} = start, end, used, held.
local LATE, KEEP = 7200000, 40 * 86400000

local function parse(record)
  local key, amount, windows = string.match(record, '^(%d+)|(%d+)|(.*)$')
  local starts = {}
  for name, start in string.gmatch(windows, '([%w_]+)=(%d+);') do starts[#starts + 1] = { name, start } end
  return key, amount, starts
end

-- Frees a hold in the windows it was taken in, as far as they last, and books a charge there.
local function book(record, charge)
  local key, amount, starts = parse(record)
  for _, entry in ipairs(starts) do
    local field = 'k' .. key .. ':' .. entry[1]
    if redis.call('HGET', KEYS[5], field .. ':s') == entry[2] then
      redis.call('HINCRBY', KEYS[5], field .. ':h', '-' .. amount)
      if charge ~= '0' then redis.call('HINCRBY', KEYS[5], field .. ':u', charge) end
    end
  end
end

-- A hold that nobody renewed is freed, and remembered for a charge that comes late; later it is forgotten.
local function expire_user(now)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do
    local record = redis.call('HGET', KEYS[4], member)
    local amount = record and string.match(record, '^%d+|(%d+)|')
    if record and amount ~= '0' then
      book(record, '0')
      redis.call('HSET', KEYS[4], member, (string.gsub(record, '^(%d+)|%d+|', '%1|0|')))
      redis.call('ZADD', KEYS[3], now + LATE, member)
    else
      redis.call('ZREM', KEYS[3], member)
      redis.call('HDEL', KEYS[4], member)
    end
  end
end

-- What living holds take of a window that the store has just been told of.
local function held_in(key, name, start)
  local sum = 0
  local all = redis.call('HGETALL', KEYS[4])
  for i = 2, #all, 2 do
    local of, amount, starts = parse(all[i])
    for _, entry in ipairs(starts) do
      if of == key and entry[1] == name and entry[2] == start then sum = sum + tonumber(amount) end
    end
  end
  return string.format('%.0f', sum)
end
