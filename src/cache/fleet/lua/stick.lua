-- KEYS[1] a session's binding. ARGV: 1 the account chosen, 2 the account that is left ('' = none), 3 ttl ms, 4 renewed with less
-- than this left, in ms. Returns the account it is bound to now.
local known = redis.call('GET', KEYS[1])
local bound = known and string.match(known, '"account_id":(%d+)')
if not bound or (ARGV[2] ~= '' and bound == ARGV[2]) then
  local now = now_ms()
  local text = '{"account_id":' .. ARGV[1] .. ',"created_at":' .. string.format('%.0f', now) .. '}'
  redis.call('SET', KEYS[1], text, 'PX', ARGV[3])
  return tonumber(ARGV[1])
end
if bound == ARGV[1] and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return tonumber(bound)
