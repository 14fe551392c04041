-- uses: records
-- ARGV: time, run, tenant, queue, states, causes, ended before, labels as JSON or '', most, offset,
-- budget. Deletes ended tasks with their journals, oldest first.
-- Answers {deleted, offset to go on from, whether there may be more}.
local run, tenant, queue, states, causes = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local ended_before = tonumber(ARGV[7])
local labels = ARGV[8] ~= '' and cjson.decode(ARGV[8]) or nil
local most, offset, budget = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

local function fits(t)
  local m, s = t.m, t.s
  if run ~= '' and m[RUN] ~= run then return false end
  if tenant ~= '' and m[TENANT] ~= tenant then return false end
  if queue ~= '' and m[QUEUE] ~= queue then return false end
  if states ~= '' and not string.find(states, s[STATE], 1, true) then return false end
  if causes ~= '' and not string.find(causes, s[CAUSE], 1, true) then return false end
  if ended_before ~= 0 and s[ENDED] >= ended_before then return false end
  if labels then
    local has = cjson.decode(string.match(call('HGET', tag .. 'j', t.id), '^[^\n]*')).labels or {}
    for name, value in pairs(labels) do
      if has[name] ~= value then return false end
    end
  end
  return true
end

local touched, removed, keys = {}, {}, {}
local function remove(t)
  local m = t.m
  index('ended', t.id, false)
  index('ids', t.id, false)
  index('run:' .. m[RUN], t.id, false)
  count(m[RUN], t.s[STATE], -1)
  touched[m[RUN]] = true
  if m[KEY] ~= '' then
    local field = m[TENANT] .. '\0' .. m[KEY]
    if call('HGET', tag .. 'keys', field) == t.id then call('HDEL', tag .. 'keys', field) end
  end
  removed[#removed + 1] = t.id
  keys[#keys + 1] = tag .. 'journal:' .. t.id
  keys[#keys + 1] = tag .. 'leads:' .. t.id
end

local deleted, seen = 0, 0
local ids = call('ZRANGE', tag .. 'ended', offset, offset + budget - 1)
load_tasks(ids, true)
for _, id in ipairs(ids) do
  if deleted >= most then break end
  seen = seen + 1
  local t = task(id)
  if not t then
    index('ended', id, false)
    deleted = deleted + 1
  elseif fits(t) then
    remove(t)
    deleted = deleted + 1
  end
end
flush()
if #removed > 0 then
  for _, name in ipairs({'m', 's', 'j', 'p', 'r', 'e'}) do call('HDEL', tag .. name, unpack(removed)) end
  call('DEL', unpack(keys))
end
for name in pairs(touched) do
  if call('EXISTS', tag .. 'run:' .. name) == 0 then call('DEL', tag .. 'runs:' .. name) end
end
return {deleted, offset + seen - deleted, (seen < #ids or #ids == budget) and 1 or 0}
