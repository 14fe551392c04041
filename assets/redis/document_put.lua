-- uses: records
-- ARGV: time, kind, id, version, text. Answers {1, new version} or {0, stored version}.
local key = tag .. 'doc:' .. ARGV[2]
local known = call('HGET', key, ARGV[3])
local stored = known and tonumber(string.match(known, '^%d+')) or 0
if stored ~= tonumber(ARGV[4]) then return {0, stored} end
call('HSET', key, ARGV[3], string.format('%d:', stored + 1) .. ARGV[5])
if stored == 0 then call('ZADD', tag .. 'docs:' .. ARGV[2], 0, ARGV[3]) end
return {1, stored + 1}
