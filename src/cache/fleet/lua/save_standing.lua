-- KEYS[1] standings by account. ARGV: 1 account, 2 the version seen (0 = none), 3 text, 4 channel, 5 news. Returns {} when it was
-- stored, else the version and text that another instance stored.
local known = redis.call('HGET', KEYS[1], ARGV[1])
local version, text = '0', ''
if known then version, text = string.match(known, '^(%d+)|(.*)$') end
if version ~= ARGV[2] then return { tonumber(version), text } end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', tonumber(ARGV[2]) + 1) .. '|' .. ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return {}
