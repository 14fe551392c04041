-- uses: records
-- ARGV: time. Answers {counts of the seven states, oldest due time or -1, paused queues}. The oldest is
-- sought among those that are next: of each lane, and of what is parked at each gate.
local LANES_MAX = 1000
local looked, oldest = 0, -1

local function consider(key)
  if looked >= LANES_MAX then return end
  looked = looked + 1
  local first = call('ZRANGE', tag .. key, 0, 0)
  local t = first[1] and task(first[1])
  if t and (oldest < 0 or t.s[DUE] < oldest) then oldest = t.s[DUE] end
end

for _, queue in ipairs(call('SMEMBERS', tag .. 'queues')) do
  local tenants = call('ZRANGE', tag .. 'turns:' .. queue, 0, LANES_MAX)
  for _, tenant in ipairs(tenants) do consider('ready:' .. queue .. '\0' .. tenant) end
  if #tenants == 0 then call('SREM', tag .. 'queues', queue) end
end
for _, gate in ipairs(call('SMEMBERS', tag .. 'gates')) do
  local kinds = call('SMEMBERS', tag .. 'parks:' .. gate)
  for _, kind in ipairs(kinds) do consider('park:' .. gate .. '\0' .. kind) end
  if #kinds == 0 then call('SREM', tag .. 'gates', gate) end
end
local numbers = {}
for i, value in ipairs(call('HMGET', tag .. 'counts', 0, 1, 2, 3, 4, 5, 6)) do numbers[i] = tonumber(value) or 0 end
return {numbers, oldest, call('SMEMBERS', tag .. 'paused')}
