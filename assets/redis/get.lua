-- uses: records
-- ARGV: time, ids... Answers {id, end of lease, m, s, j, p, r, e} for each, or {}.
local answers = {}
for i = 2, #ARGV do
  local found = call('HMGET', tag .. 't:' .. ARGV[i], 'm', 's', 'j', 'p', 'r', 'e')
  if found[2] then
    answers[i - 1] = {ARGV[i], call('ZSCORE', tag .. 'leases', ARGV[i]) or '0', unpack(found)}
  else
    answers[i - 1] = {}
  end
end
return answers
