-- uses: records
-- ARGV: time. Answers {counts of the seven states, oldest due time or -1, paused queues}.
local oldest = call('ZRANGE', tag .. 'waiting', 0, 0, 'WITHSCORES')
local numbers = {}
for i, value in ipairs(call('HMGET', tag .. 'counts', 0, 1, 2, 3, 4, 5, 6)) do numbers[i] = tonumber(value) or 0 end
return {numbers, tonumber(oldest[2]) or -1, call('SMEMBERS', tag .. 'paused')}
