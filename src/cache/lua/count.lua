-- KEYS[1] mark of the event, KEYS[2] set of dirty scopes, KEYS[3..] counters, two per scope.
-- ARGV[1] life of the mark, ARGV[2] 1 = only mark as dirty; then per scope: its text, life of its counters in ms (0 = for
-- ever), and per counter: number of fields, field, amount, …
-- A scope without counters is not begun here: what it held may have been lost, so it is recomputed from SQL instead.
-- Amounts go from ARGV to HINCRBY as text: a Lua number would lose digits of large ones.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 0 end
local a = 3
for k = 3, #KEYS, 2 do
  local scope, ttl = ARGV[a], tonumber(ARGV[a + 1])
  a = a + 2
  local known = ARGV[2] == '0' and redis.call('EXISTS', KEYS[k]) == 1
  if not known then redis.call('SADD', KEYS[2], scope) end
  for c = k, k + 1 do
    local fields = tonumber(ARGV[a])
    a = a + 1
    for _ = 1, fields do
      if known then redis.call('HINCRBY', KEYS[c], ARGV[a], ARGV[a + 1]) end
      a = a + 2
    end
    if known and ttl > 0 then redis.call('PEXPIRE', KEYS[c], ttl) end
  end
end
return 1
