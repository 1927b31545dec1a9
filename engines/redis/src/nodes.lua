-- Registers a node with its address, and lists the nodes that are present. KEYS: nodes. ARGV: the ms for which a registration is valid,
-- and then the node and its address, if one has to be registered.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[2] then
    redis.call('HSET', KEYS[1], ARGV[2], text(now + tonumber(ARGV[1])) .. ' ' .. ARGV[3])
end
local all, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
    local expires, where = string.match(all[i + 1], '^(%d+) (.*)$')
    if expires and tonumber(expires) > now then
        found[#found + 1], found[#found + 2] = all[i], where
    else
        redis.call('HDEL', KEYS[1], all[i])
    end
end
return found
