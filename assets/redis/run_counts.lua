-- uses: records
-- ARGV: time, run. Answers the counts of the seven states.
local numbers = {}
for i, value in ipairs(call('HMGET', tag .. 'runs:' .. ARGV[2], 0, 1, 2, 3, 4, 5, 6)) do
  numbers[i] = tonumber(value) or 0
end
return numbers
