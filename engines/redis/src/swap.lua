-- Sets a field, or removes it, if it has the value that is expected. KEYS: metadata. ARGV: field, then '1' and the expected value, or '0'
-- and an empty text, then '1' and the new value, or '0' and an empty text.
local now = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] == '1' then
    if now ~= ARGV[3] then return 0 end
elseif now then
    return 0
end
if ARGV[4] == '1' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[5]) else redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
