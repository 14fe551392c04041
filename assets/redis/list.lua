-- uses: records
-- ARGV: time, run, tenant, queue, states, causes (digits, each may be empty), ended before (0:
-- any), index and id to go on from, most, budget. Looks at `budget` tasks at most.
-- Answers {index and id looked at last, whether there may be more, tasks as get answers them...}.
-- What it cannot judge (labels) the caller does.
local run, tenant, queue, states, causes = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local ended_before, last_index, last_id = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local most, budget = tonumber(ARGV[10]), tonumber(ARGV[11])

local function fits(m, s)
  if tenant ~= '' and m[TENANT] ~= tenant then return false end
  if queue ~= '' and m[QUEUE] ~= queue then return false end
  if states ~= '' and not string.find(states, s[STATE], 1, true) then return false end
  if causes ~= '' and not string.find(causes, s[CAUSE], 1, true) then return false end
  return ended_before == 0 or (s[STATE] >= SUCCEEDED and s[ENDED] < ended_before)
end

-- Ids in order, each with its index in the run (0 outside of one).
local function candidates()
  local ids = {}
  if run == '' then
    for i, id in ipairs(call('ZRANGEBYLEX', tag .. 'ids', last_id == '' and '-' or '(' .. last_id, '+', 'LIMIT', 0,
      budget)) do
      ids[i] = {id, 0}
    end
    return ids, #ids == budget
  end
  local offset, found = 0, nil
  repeat
    found = call('ZRANGEBYSCORE', tag .. 'run:' .. run, last_index, '+inf', 'WITHSCORES', 'LIMIT', offset, budget)
    for i = 1, #found, 2 do
      local place = tonumber(found[i + 1])
      if place > last_index or found[i] > last_id then ids[#ids + 1] = {found[i], place} end
    end
    offset = offset + budget
  until #ids > 0 or #found < 2 * budget
  return ids, #found == 2 * budget
end

local ids, more = candidates()
local names = {}
for i, one in ipairs(ids) do names[i] = one[1] end
local m, s = parts('m', names), parts('s', names)
local answer = {last_index, last_id, 0}
for i, one in ipairs(ids) do
  local id = one[1]
  answer[1], answer[2] = one[2], id
  if m[i] and s[i] and fits(unpack_list(m[i]), unpack_list(s[i])) then
    local rest = {}
    for k, name in ipairs({'j', 'p', 'r', 'e'}) do rest[k] = call('HGET', tag .. name, id) end
    answer[#answer + 1] = {id, call('ZSCORE', tag .. 'leases', id) or '0', m[i], s[i], unpack(rest)}
    if #answer - 3 >= most then
      more = more or i < #ids
      break
    end
  end
end
answer[3] = more and 1 or 0
return answer
