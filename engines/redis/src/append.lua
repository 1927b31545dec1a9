-- Stores entries, with one reading of the clock for all: an entry whose deadline has passed is not stored.
-- KEYS: log, keys, head. ARGV: their number, and then for each: key, tag, payload bytes, routing keys (as text), deadline, entry.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local head = redis.call('HMGET', KEYS[3], 'epoch', 'last', 'tag', 'bytes')
if not head[1] then return redis.error_reply('TIDINGSGONE the log is not there') end
local last, tag, bytes = tonumber(head[2]), head[3], tonumber(head[4])
local out, started = { head[1], string.format('%.0f', now) }, last
for i = 0, tonumber(ARGV[1]) - 1 do
    local at = 2 + i * 6
    local key, entry = ARGV[at], ARGV[at + 5]
    if tonumber(ARGV[at + 4]) < now then
        out[i + 3] = ''
    else
        local known = redis.call('HGET', KEYS[2], key)
        if known then
            out[i + 3] = known .. '.1'
        else
            last = last + 1
            bytes = bytes + string.len(entry)
            local place = string.format('%.0f.%s', last, ARGV[at + 1])
            redis.call('XADD', KEYS[1], string.format('%.0f-0', last), 't', ARGV[at + 1], 'b', tag, 'k', key, 'a', string.format('%.0f', now),
                's', string.format('%.0f', bytes), 'p', ARGV[at + 2], 'r', ARGV[at + 3], 'e', entry)
            redis.call('HSET', KEYS[2], key, place)
            tag = ARGV[at + 1]
            out[i + 3] = place .. '.0'
        end
    end
end
if last > started then
    redis.call('HSET', KEYS[3], 'last', string.format('%.0f', last), 'tag', tag, 'bytes', string.format('%.0f', bytes))
end
return out
