-- Trims records beyond the bounds from the front, up to a maximal number, and adds them to the summary.
-- KEYS: log, keys, head, summary, tags. ARGV: records, bytes, the age in ms, the most to remove, keys and tags to keep, and
-- the time by which records age.
local head = redis.call('HMGET', KEYS[3], 'epoch', 'first', 'last', 'base', 'bytes', 'floor')
if not head[1] then return redis.error_reply('TIDINGSGONE the log is not there') end
local first, last, base, bytes = tonumber(head[2]), tonumber(head[3]), head[4], tonumber(head[5])
local clock, floor = tonumber(ARGV[7]), tonumber(head[6])
local oldest = clock - tonumber(ARGV[3])
local removed, keys, ids, names, moved, place = 0, 0, {}, {}, {}, {}
local most = tonumber(ARGV[4])
local more, lost = false, false
if last >= first then
    local rows = redis.call('XRANGE', KEYS[1], '-', string.format('%.0f-0', last), 'COUNT', most)
    local expected, seen = first, 0
    for _, row in ipairs(rows) do
        local seq, f = tonumber(string.match(row[1], '^%d+')), row[2]
        local size = string.len(f[16])
        local stays = seq > last - tonumber(ARGV[1]) and bytes - tonumber(f[10]) + size <= tonumber(ARGV[2])
            and tonumber(f[8]) >= oldest
        if stays then break end
        if seq ~= expected then lost = true end
        expected, seen = seq + 1, seen + 1
        ids[#ids + 1], names[#names + 1] = row[1], f[6]
        place[#place + 1], place[#place + 2] = string.format('%.0f', seq), f[2]
        for key in string.gmatch(f[14], '%S+') do moved[key] = seq end
        base = f[2]
        removed = seq - first + 1
    end
    more = seen > 0 and seen == most and first + removed <= last
end
local function each(command, key, list, step)
    for i = 1, #list, step do
        redis.call(command, key, unpack(list, i, math.min(i + step - 1, #list)))
    end
end
if removed > 0 then
    if lost then
        -- Records are missing, and their receivers are unknown.
        redis.call('DEL', KEYS[4])
        floor = first - 1 + removed
    else
        local scores = {}
        for key, seq in pairs(moved) do
            scores[#scores + 1], scores[#scores + 2] = string.format('%.0f', seq), key
        end
        each('ZADD', KEYS[4], scores, 1000)
        local extra = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[5])
        if extra > 0 then
            local gone = redis.call('ZPOPMIN', KEYS[4], extra)
            floor = math.max(floor, tonumber(gone[#gone]))
        end
    end
    each('HSET', KEYS[5], place, 1000)
    each('HDEL', KEYS[2], names, 1000)
    each('XDEL', KEYS[1], ids, 1000)
    -- Removes the oldest tags, as many as records were trimmed now.
    local forgotten = {}
    for seq = math.max(first - 1 - tonumber(ARGV[6]), 0), first - 1 + removed - tonumber(ARGV[6]) do
        forgotten[#forgotten + 1] = string.format('%.0f', seq)
    end
    each('HDEL', KEYS[5], forgotten, 1000)
    redis.call('HSET', KEYS[3], 'first', string.format('%.0f', first + removed), 'base', base, 'floor', string.format('%.0f', floor),
        'clock', string.format('%.0f', clock))
end
return { string.format('%.0f', removed), more and '1' or '0' }
