-- Creates the log if it does not exist; the remains of a log whose head is gone are deleted, because they are of no use.
-- KEYS: log, keys, head, summary, tags. ARGV: version, epoch.
local version = redis.call('HGET', KEYS[3], 'version')
if version then return version end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[4], KEYS[5])
local t = redis.call('TIME')
redis.call('HSET', KEYS[3], 'version', ARGV[1], 'epoch', ARGV[2], 'first', 1, 'last', 0, 'base', 0, 'tag', 0, 'bytes', 0, 'floor', 0,
    'clock', text(t[1] * 1000 + math.floor(t[2] / 1000)))
redis.call('HSET', KEYS[5], 0, 0)
return ARGV[1]
