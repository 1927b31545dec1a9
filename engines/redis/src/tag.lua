-- The tag at a number: of a record, of the one right before the first, or of a trimmed one whose tag is still kept. `head` is epoch,
-- first, last, base, tag. KEYS: log, tags, head.
local function id(seq) return text(seq) .. '-0' end
local function tag_at(head, at)
    local first, last = tonumber(head[2]), tonumber(head[3])
    if at == last then return head[5] end
    if at == first - 1 then return head[4] end
    if at > last then return false end
    if at < first then return redis.call('HGET', KEYS[2], text(at)) end
    local here = redis.call('XRANGE', KEYS[1], id(at), id(at))[1]
    local tag = here and string.match(here[2][2], '^%d+ (%d+)')
    if tag then return tag end
    local next = redis.call('XRANGE', KEYS[1], id(at + 1), id(at + 1))[1]
    return next and string.match(next[2][2], '^%d+ %d+ (%d+)') or false
end
