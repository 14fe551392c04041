-- uses: records lanes
-- ARGV: time, key, limit or ''.
local gate = ARGV[2]
if ARGV[3] == '' then
  call('HDEL', tag .. 'limits', gate)
else
  call('HSET', tag .. 'limits', gate, ARGV[3])
end
-- As many as there is room for go back to their lanes.
local kinds = call('SCARD', tag .. 'parks:' .. gate)
local room = 0
if kinds > 0 then
  room = 1000
  if ARGV[3] ~= '' then room = math.min(room, tonumber(ARGV[3]) - running(gate)) end
end
for _ = 1, room do wake(gate) end
if news then call('SET', tag .. 'idle', 1) end
write_all()
return 1
