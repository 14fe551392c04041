-- uses: records lanes endings
-- ARGV: time, most, tasks to look through, longest time in ms between two sweeps and the time that
-- is granted after a longer one (0: none). Answers {more, mended, moved...}.
local most, moves, mended = tonumber(ARGV[2]), {}, 0

local function along(t, act)
  local taken = {}
  act(taken)
  moves[#moves + 1] = moved(t)
  for _, other in ipairs(taken) do moves[#moves + 1] = other end
end

-- Ends what is past its time; the indexes are read in parts, since ends of others change them.
local function sweep_expired()
  for _, id in ipairs(call('ZRANGEBYSCORE', tag .. 'expiry', '-inf', now, 'LIMIT', 0, most)) do
    if #moves >= most then return end
    local t = task(id)
    local due = t and t.s[EXPIRY] ~= 0 and t.s[EXPIRY] <= now and t.s[STATE] < SUCCEEDED
    if not due then
      if not t or t.s[EXPIRY] == 0 then index('expiry', id, false) end
    else
      local s = t.s
      local stubborn = s[STATE] == RUNNING and s[STOP] == 1 and s[GRACE_UNTIL] <= now
      along(t, function(taken)
        if stubborn then
          end_task(t, CANCELLED, GRACE, taken)
        else
          end_task(t, FAILED, DEADLINE, taken)
        end
      end)
    end
  end
end

local function lose(t, taken)
  local s = t.s
  s[LOSSES] = s[LOSSES] + 1
  if s[STOP] == 1 then
    end_task(t, CANCELLED, CANCEL, taken)
  elseif s[LOSSES] >= t.m[LOSSES_MAX] then
    end_task(t, FAILED, POISONED, taken)
  else
    move(t, QUEUED, NONE)
  end
end

-- When nobody swept for so long, the server was away and nobody could beat either: whoever still has
-- a task gets the time to say so. Not again at once, so that an unsteady server cannot keep the
-- tasks of the dead.
local function grant(longest, grace)
  local meta = tag .. 'meta'
  local swept = tonumber(call('HGET', meta, 'swept') or now)
  call('HSET', meta, 'swept', now)
  if grace == 0 or now - swept <= longest then return end
  if now - tonumber(call('HGET', meta, 'granted') or 0) < 60000 then return end
  call('HSET', meta, 'granted', now)
  for _, id in ipairs(call('ZRANGEBYSCORE', tag .. 'leases', '-inf', now, 'LIMIT', 0, 10000)) do
    call('ZADD', tag .. 'leases', 'XX', now + grace, id)
  end
end

local function sweep_leases()
  for _, id in ipairs(call('ZRANGEBYSCORE', tag .. 'leases', '-inf', now, 'LIMIT', 0, most)) do
    if #moves >= most then return end
    local t = task(id)
    if t and t.s[STATE] == RUNNING then
      along(t, function(taken) lose(t, taken) end)
    else
      index('leases', id, false)
    end
  end
end

local function sweep_unsettled()
  for _, id in ipairs(call('SRANDMEMBER', tag .. 'unsettled', most)) do
    if #moves >= most then return end
    call('SREM', tag .. 'unsettled', id)
    local t = task(id)
    if t then settle(t, moves) end
  end
end

-- From the records, not from the indexes: a task that no index knows would wait for ever.
local function reconcile(t)
  local s, id = t.s, t.id
  local state = s[STATE]
  if state == BLOCKED then
    if ruling(t) then call('SADD', tag .. 'unsettled', id) end
    return false
  end
  local name, score
  if state == QUEUED and s[PARKED] ~= '' then
    if call('ZSCORE', tag .. 'park:' .. s[PARKED], id) then return false end
    s[PARKED] = ''
    place(t)
    touch(t)
    return true
  elseif state == QUEUED then
    name, score = lane_of(t), s[DUE] - s[PRIORITY] * 60000
  elseif state == RUNNING then
    name, score = 'leases', now
  elseif state == SCHEDULED then
    name, score = 'scheduled', s[DUE]
  else
    name, score = 'ended', s[ENDED]
  end
  if call('ZSCORE', tag .. name, id) then return false end
  -- Too late for it, and taken out of its lane: the expiry index has it.
  if state == QUEUED and s[EXPIRY] ~= 0 and s[EXPIRY] <= now then return false end
  place(t, score)
  return true
end

local function look_through(budget)
  if budget == 0 then return end
  local cursor = call('HGET', tag .. 'meta', 'cursor') or ''
  local from = cursor == '' and '-' or '(' .. cursor
  local ids = call('ZRANGEBYLEX', tag .. 'ids', from, '+', 'LIMIT', 0, budget)
  load_tasks(ids, true)
  for _, id in ipairs(ids) do
    local t = task(id)
    if not t then
      index('ids', id, false)
      mended = mended + 1
    elseif not t.touched and reconcile(t) then
      mended = mended + 1
    end
  end
  call('HSET', tag .. 'meta', 'cursor', #ids == budget and ids[#ids] or '')
  call('UNLINK', tag .. 'waiting')  -- an index of older releases
end

grant(tonumber(ARGV[4]), tonumber(ARGV[5]))
promote()
sweep_expired()
if #moves < most then sweep_leases() end
if #moves < most then sweep_unsettled() end
local more = #moves >= most and 1 or 0
if more == 0 then look_through(tonumber(ARGV[3])) end
write_all()
local answer = {more, mended}
for i, one in ipairs(moves) do answer[i + 2] = one end
return answer
