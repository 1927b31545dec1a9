-- The head of the log, the time, and the tags at these numbers. KEYS: log, tags, head. ARGV: numbers.
local head = redis.call('HMGET', KEYS[3], 'epoch', 'first', 'last', 'base', 'tag', 'clock')
if not head[1] then return redis.error_reply('TIDINGSGONE the log is not there') end
local t = redis.call('TIME')
local tags = {}
for i, seq in ipairs(ARGV) do tags[i] = tag_at(head, tonumber(seq)) end
return { head[1], head[2], head[3], head[4], head[5], head[6], text(t[1] * 1000 + math.floor(t[2] / 1000)), tags }
