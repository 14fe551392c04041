-- uses: records
-- ARGV: time, ids... Answers {id, end of lease, m, s, j, p, r, e} for each, or {}.
local answers = {}
for i = 2, #ARGV do
  local id, found = ARGV[i], {}
  for k, name in ipairs({'m', 's', 'j', 'p', 'r', 'e'}) do found[k] = call('HGET', tag .. name, id) end
  if found[2] then
    answers[i - 1] = {id, call('ZSCORE', tag .. 'leases', id) or '0', unpack(found)}
  else
    answers[i - 1] = {}
  end
end
return answers
