-- KEYS[1] a text, ARGV[1] what it must be. Removes it only then: a lock whose time is over may be another's by now.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
