-- Trims records beyond the bounds from the front, up to a maximal number, and adds them to the summary.
-- KEYS: log, keys, head, summary, tags. ARGV: records, bytes, the age in ms, the most to remove, keys and tags to keep, and
-- the time by which records age.
local head = redis.call('HMGET', KEYS[3], 'epoch', 'first', 'last', 'base', 'bytes', 'floor')
if not head[1] then return redis.error_reply('TIDINGSGONE the log is not there') end
local first, last, base, bytes = tonumber(head[2]), tonumber(head[3]), head[4], tonumber(head[5])
local clock, floor = tonumber(ARGV[7]), tonumber(head[6])
local oldest = clock - tonumber(ARGV[3])
local removed, names, moved, place = 0, {}, {}, {}
local most, beyond, room = tonumber(ARGV[4]), last - tonumber(ARGV[1]), tonumber(ARGV[2])
local more, lost = false, false
if last >= first then
    local rows = redis.call('XRANGE', KEYS[1], '-', id(last), 'COUNT', most)
    local expected, seen = first, 0
    for _, row in ipairs(rows) do
        local seq = expected
        if row[1] ~= id(seq) then seq = tonumber(string.match(row[1], '^%d+')) end
        local tag, time, sum, routing, name = string.match(row[2][2], '^%d+ (%d+) %d+ (%d+) (%d+) (%S*) (.*)$')
        -- A record that cannot be read is removed as soon as it is the oldest.
        local stays = tag and seq > beyond and bytes - sum + #row[2][4] <= room and tonumber(time) >= oldest
        if stays then break end
        if seq ~= expected or not tag then lost = true end
        expected, seen = seq + 1, seen + 1
        if tag then
            names[#names + 1], base = name, tag
            place[#place + 1], place[#place + 2] = text(seq), tag
            for key in string.gmatch(routing, '[^,]+') do moved[key] = seq end
        end
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
            scores[#scores + 1], scores[#scores + 2] = text(seq), key
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
    redis.call('XTRIM', KEYS[1], 'MINID', id(first + removed))
    -- Removes the oldest tags, as many as records were trimmed now.
    local forgotten = {}
    for seq = math.max(first - 1 - tonumber(ARGV[6]), 0), first - 1 + removed - tonumber(ARGV[6]) do
        forgotten[#forgotten + 1] = text(seq)
    end
    each('HDEL', KEYS[5], forgotten, 1000)
    redis.call('HSET', KEYS[3], 'first', text(first + removed), 'base', base, 'floor', text(floor), 'clock', text(clock))
end
return { text(removed), more and '1' or '0' }
