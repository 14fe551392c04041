-- uses: records
-- ARGV: time, id, token, key, entry. Answers 1, or 0 when the token is not the latest.
local t = task(ARGV[2])
if not t or t.s[STATE] ~= RUNNING or t.s[TOKEN] ~= tonumber(ARGV[3]) then return 0 end
local key = tag .. 'journal:' .. ARGV[2]
local known = call('HGET', key, ARGV[4])
local place = known and string.match(known, '^%d+') or call('HLEN', key)
call('HSET', key, ARGV[4], place .. ':' .. ARGV[5])
if t.s[LOSSES] ~= 0 then
  t.s[LOSSES] = 0
  touch(t)
end
flush()
return 1
