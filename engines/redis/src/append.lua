-- Stores entries, with one reading of the clock for all: an entry whose deadline has passed is not stored.
-- KEYS: log, keys, head. ARGV: their number, and then for each: key, tag, deadline, payload bytes, routing keys (as text), entry.
-- A record has two fields, because each field of a record costs this script and its readers as much as the record itself:
-- 'm' is "payload bytes, tag, tag before, time, bytes of the log up to here, routing keys (with commas), key", with spaces;
-- 'e' is the entry.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local clock = text(now)
local head = redis.call('HMGET', KEYS[3], 'epoch', 'last', 'tag', 'bytes')
if not head[1] then return redis.error_reply('TIDINGSGONE the log is not there') end
local last, before, bytes = tonumber(head[2]), head[3], tonumber(head[4])
local out, started = { head[1], clock }, last
local count = tonumber(ARGV[1])
-- The keys of all entries are looked up together, and noted together, because each command of a script has its price. This is done in
-- steps, because Lua passes no more than some thousands of arguments.
local STEP = 1000
local keys = {}
for i = 0, count - 1 do keys[i + 1] = ARGV[2 + i * 6] end
local places = {}
for from = 1, count, STEP do
    local to = math.min(from + STEP - 1, count)
    for i, place in ipairs(redis.call('HMGET', KEYS[2], unpack(keys, from, to))) do
        if place then places[keys[from + i - 1]] = place end
    end
end
local noted, n = {}, 0
for i = 0, count - 1 do
    local at = 2 + i * 6
    local key, tag, entry = keys[i + 1], ARGV[at + 1], ARGV[at + 5]
    if tonumber(ARGV[at + 2]) < now then
        out[i + 3] = ''
    elseif places[key] then
        out[i + 3] = places[key] .. '.1'
    else
        last = last + 1
        bytes = bytes + #entry
        local seq = text(last)
        local place = seq .. '.' .. tag
        local meta = ARGV[at + 3] .. ' ' .. tag .. ' ' .. before .. ' ' .. clock .. ' ' .. text(bytes) .. ' ' .. ARGV[at + 4] .. ' ' .. key
        redis.call('XADD', KEYS[1], seq .. '-0', 'm', meta, 'e', entry)
        -- An entry that comes twice in one call is stored once.
        places[key] = place
        noted[n + 1], noted[n + 2] = key, place
        n = n + 2
        before = tag
        out[i + 3] = place .. '.0'
    end
end
for from = 1, n, STEP do
    redis.call('HSET', KEYS[2], unpack(noted, from, math.min(from + STEP - 1, n)))
end
if last > started then
    redis.call('HSET', KEYS[3], 'last', text(last), 'tag', before, 'bytes', text(bytes))
end
return out
