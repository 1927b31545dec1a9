-- The head of the log with the tag at a number, and the records that follow, within the limits.
-- KEYS: log, tags, head. ARGV: after, the most records, the most payload bytes.
local head = redis.call('HMGET', KEYS[3], 'epoch', 'first', 'last', 'base', 'tag')
if not head[1] then return redis.error_reply('TIDINGSGONE the log is not there') end
local after, first, last, most = tonumber(ARGV[1]), tonumber(head[2]), tonumber(head[3]), tonumber(ARGV[3])
local at = tag_at(head, after)
local rows = {}
if after >= first - 1 and after < last then
    local taken, left, from = 0, tonumber(ARGV[2]), after + 1
    while left > 0 and from <= last do
        -- Records are read in parts, because a page is bounded by bytes, too.
        local some = redis.call('XRANGE', KEYS[1], id(from), id(last), 'COUNT', math.min(left, 64))
        if #some == 0 then break end
        for _, row in ipairs(some) do
            rows[#rows + 1] = row
            taken = taken + (tonumber(string.match(row[2][2], '^%d+')) or 0)
            left = left - 1
            if taken >= most then left = 0 break end
        end
        from = tonumber(string.match(some[#some][1], '^%d+')) + 1
    end
end
return { head[1], head[2], head[3], head[4], head[5], at, rows }
