-- uses: records
-- ARGV: time, worker, lease in ms, then id, token, progress of each.
-- Answers 0 ok, 1 lost, 2 cancel for each.
local worker, lease_until, answers = ARGV[2], now + tonumber(ARGV[3]), {}
local ids = {}
for i = 4, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end
load_tasks(ids)
for i = 4, #ARGV, 3 do
  local t = task(ARGV[i])
  if not t or t.s[STATE] ~= RUNNING or t.s[TOKEN] ~= tonumber(ARGV[i + 1]) or t.s[WORKER] ~= worker then
    answers[#answers + 1] = 1
  else
    index('leases', t.id, lease_until)
    if ARGV[i + 2] ~= '' then call('HSET', tag .. 'p', t.id, ARGV[i + 2]) end
    answers[#answers + 1] = t.s[STOP] == 1 and 2 or 0
  end
end
write_indexes()
return answers
