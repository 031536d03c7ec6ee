-- ARGV: 1 ttl ms, 2 grace ms, 3 slots (0 = no limit); then lease, cost, day of each. What the store has forgotten is taken again
-- while there is room. Returns the indexes, from 0, of those for which there was none.
local now, ttl, grace = now_ms(), tonumber(ARGV[1]), tonumber(ARGV[2])
local slots, lost = tonumber(ARGV[3]), {}
expire_leases(now)
for i = 4, #ARGV, 3 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('ZADD', KEYS[1], 'XX', now + ttl, ARGV[i])
  elseif slots == 0 or redis.call('ZCARD', KEYS[1]) < slots then
    add_lease(now, ARGV[i], ttl, grace, ARGV[i + 1], ARGV[i + 2])
  else
    lost[#lost + 1] = (i - 4) / 3
  end
end
redis.call('PEXPIRE', KEYS[1], ttl + grace)
redis.call('PEXPIRE', KEYS[2], ttl + grace)
return lost
