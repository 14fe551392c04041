-- Where tasks wait: lanes (the ready tasks of one tenant in one queue), gates, the set times.
local gates, limits, lanes = {}, {}, {}

local function lane_of(t) return 'ready:' .. t.m[QUEUE] .. '\0' .. t.m[TENANT] end

-- How many run behind a gate.
local function running(gate)
  local known = gates[gate]
  if not known then
    known = call('SCARD', tag .. 'gate:' .. gate)
    gates[gate] = known
  end
  return known
end

local function has_room(gate, own)
  local limit = limits[gate]
  if limit == nil then
    limit = tonumber(call('HGET', tag .. 'limits', gate)) or false
    limits[gate] = limit
  end
  return running(gate) < (limit or own)
end

local function to_lane(t)
  index(lane_of(t), t.id, t.s[DUE] - t.s[PRIORITY] * 60000)
  lanes[t.m[QUEUE] .. '\0' .. t.m[TENANT]] = t
  news = true
end

-- A tenant with something ready takes its turn; who was away has saved nothing up.
local function write_lanes()
  for _, t in pairs(lanes) do
    local queue, tenant = t.m[QUEUE], t.m[TENANT]
    if not call('ZSCORE', tag .. 'turns:' .. queue, tenant) then
      local served = call('HMGET', tag .. 'served:' .. queue, 't:' .. tenant, 'now')
      call('ZADD', tag .. 'turns:' .. queue, math.max(tonumber(served[1]) or 0, tonumber(served[2]) or 0), tenant)
      call('SADD', tag .. 'queues', queue)
    end
  end
  lanes = {}
end

-- One of each kind that waits at a gate with room goes back to its lane. Kinds: the queue, since
-- nobody may be claiming from another one, and the limit that the tasks carry.
local function wake(gate)
  local kinds_key = tag .. 'parks:' .. gate
  for _, kind in ipairs(call('SMEMBERS', kinds_key)) do
    local park = tag .. 'park:' .. gate .. '\0' .. kind
    local own = tonumber(string.match(kind, '^%d+'))
    while has_room(gate, own) do
      local first = call('ZPOPMIN', park)
      if not first[1] then
        call('SREM', kinds_key, kind)
        break
      end
      local t = task(first[1])
      if t and t.s[STATE] == QUEUED then
        t.s[PARKED] = ''
        touch(t)
        to_lane(t)
        break
      end
    end
  end
end

local function park_of(t, gate, own) return gate .. '\0' .. own .. ' ' .. t.m[QUEUE] end

local function park(t, gate, own)
  t.s[PARKED] = park_of(t, gate, own)
  touch(t)
  if call('SADD', tag .. 'parks:' .. gate, own .. ' ' .. t.m[QUEUE]) == 1 then call('SADD', tag .. 'gates', gate) end
  call('ZADD', tag .. 'park:' .. t.s[PARKED], t.s[DUE] - t.s[PRIORITY] * 60000, t.id)
end

local function set_expiry(t)
  local s = t.s
  local state, next_time = s[STATE], 0
  if state < SUCCEEDED then
    next_time = s[UNTIL]
    local other = 0
    if (state == SCHEDULED or state == QUEUED) and s[STARTED] == 0 and t.m[QUEUE_TIMEOUT] > 0 then
      other = s[DUE] + t.m[QUEUE_TIMEOUT]
    elseif state == RUNNING and s[STOP] == 1 then
      other = s[GRACE_UNTIL]
    end
    if other > 0 and (next_time == 0 or other < next_time) then next_time = other end
  end
  if next_time == s[EXPIRY] then return end
  s[EXPIRY] = next_time
  touch(t)
  index('expiry', t.id, next_time > 0 and next_time)
end

-- Out of the place where its state keeps it.
local function unplace(t)
  local state, id = t.s[STATE], t.id
  if state == QUEUED then
    if t.s[PARKED] ~= '' then
      call('ZREM', tag .. 'park:' .. t.s[PARKED], id)
      t.s[PARKED] = ''
      return
    end
    if t.popped then
      t.popped = nil
      return
    end
    index(lane_of(t), id, false)
    -- It may have been the one that was to use the room.
    local behind = gates_of(t)
    for i = 1, #behind, 2 do wake(behind[i]) end
  elseif state == RUNNING then
    index('leases', id, false)
    local behind = gates_of(t)
    for i = 1, #behind, 2 do
      local gate = behind[i]
      if call('SREM', tag .. 'gate:' .. gate, id) == 1 then
        if gates[gate] then gates[gate] = gates[gate] - 1 end
        wake(gate)
      end
    end
  elseif state == SCHEDULED then
    index('scheduled', id, false)
  elseif state >= SUCCEEDED then
    index('ended', id, false)
  end
end

local function place(t, lease_until)
  local state, id = t.s[STATE], t.id
  if state == QUEUED then
    to_lane(t)
  elseif state == RUNNING then
    index('leases', id, lease_until)
    local behind = gates_of(t)
    for i = 1, #behind, 2 do
      local gate = behind[i]
      if call('SADD', tag .. 'gate:' .. gate, id) == 1 and gates[gate] then gates[gate] = gates[gate] + 1 end
    end
  elseif state == SCHEDULED then
    index('scheduled', id, t.s[DUE])
  elseif state >= SUCCEEDED then
    index('ended', id, t.s[ENDED])
  end
end

local function move(t, state, cause, lease_until)
  local s = t.s
  unplace(t)
  if s[STATE] ~= state then
    count(run_of(t), s[STATE], -1)
    count(run_of(t), state, 1)
  end
  s[STATE] = state
  s[CAUSE] = cause
  place(t, lease_until)
  set_expiry(t)
  touch(t)
end

local function make_ready(t, due)
  -- It leaves its old place under its old order.
  unplace(t)
  count(run_of(t), t.s[STATE], -1)
  t.s[DUE] = due
  t.s[STATE] = due > now and SCHEDULED or QUEUED
  t.s[CAUSE] = NONE
  count(run_of(t), t.s[STATE], 1)
  place(t)
  set_expiry(t)
  touch(t)
end

-- What waits for its time and is due: a bounded number, the rest with the next call.
local function promote()
  local due = call('ZRANGEBYSCORE', tag .. 'scheduled', '-inf', now, 'LIMIT', 0, 500)
  for _, id in ipairs(due) do
    local t = task(id)
    if t and t.s[STATE] == SCHEDULED then
      move(t, QUEUED, NONE)
    else
      index('scheduled', id, false)
    end
  end
  return #due > 0
end

local function write_all()
  write_lanes()
  flush()
end
