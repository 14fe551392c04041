-- uses: records
-- ARGV: time, id, token, and key, entry of each; an empty entry erases its key. The field '' counts
-- the places given away. Answers 1, or 0 when the token is not the latest.
local t = task(ARGV[2])
if not t or t.s[STATE] ~= RUNNING or t.s[TOKEN] ~= tonumber(ARGV[3]) then return 0 end
local key = tag .. 'journal:' .. ARGV[2]
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    call('HDEL', key, ARGV[i])
  else
    local known = call('HGET', key, ARGV[i])
    local place = known and string.match(known, '^%d+') or call('HINCRBY', key, '', 1)
    call('HSET', key, ARGV[i], place .. ':' .. ARGV[i + 1])
  end
end
if t.s[LOSSES] ~= 0 then
  t.s[LOSSES] = 0
  touch(t)
end
flush()
return 1
