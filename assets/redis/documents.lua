-- uses: records
-- ARGV: time, kind, cursor, limit, 1 for the newest first. Answers id, version:text, ...
local key, from, limit = tag .. 'docs:' .. ARGV[2], ARGV[3], tonumber(ARGV[4])
local ids
if ARGV[5] == '1' then
  ids = call('ZREVRANGEBYLEX', key, from == '' and '+' or '(' .. from, '-', 'LIMIT', 0, limit)
else
  ids = call('ZRANGEBYLEX', key, from == '' and '-' or '(' .. from, '+', 'LIMIT', 0, limit)
end
local answer = {}
for _, id in ipairs(ids) do
  local text = call('HGET', tag .. 'doc:' .. ARGV[2], id)
  if text then
    answer[#answer + 1] = id
    answer[#answer + 1] = text
  end
end
return answer
