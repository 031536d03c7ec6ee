-- KEYS[1] set of leases. Returns {id, ms left, …} of those that have not ended.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local live = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES')
for i = 2, #live, 2 do live[i] = tostring(tonumber(live[i]) - now) end
return live
