-- How tasks are taken: part of claim.lua and turn.lua.
local worker, most, lease_until = ARGV[2], tonumber(ARGV[3]), now + tonumber(ARGV[4])
local claims, parks, parks_max, queues = {}, 0, 1000, {}

local function full_gate(t)
  local own = gates_of(t)
  for i = 1, #own, 2 do
    if not has_room(own[i], own[i + 1]) then return own[i], own[i + 1] end
  end
  return nil
end

-- What a pop gave; true when it was claimed.
local function take(id)
  local t = task(id)
  if not t then return false end
  local s = t.s
  if s[STATE] ~= QUEUED or s[PARKED] ~= '' then return false end
  t.popped = true
  if s[EXPIRY] ~= 0 and s[EXPIRY] <= now then return false end  -- too late for it: sweep ends it
  local gate, own = full_gate(t)
  if gate then
    t.popped = nil
    park(t, gate, own)
    parks = parks + 1
    -- The room behind its other gates is for others.
    local behind = gates_of(t)
    for i = 1, #behind, 2 do
      if behind[i] ~= gate then wake(behind[i]) end
    end
    write_lanes()
    write_indexes()
    return false
  end
  s[ATTEMPT] = s[ATTEMPT] + 1
  s[TOKEN] = math.max(s[TOKEN] + 1, now_us)
  s[WORKER] = worker
  if s[STARTED] == 0 then s[STARTED] = now end
  move(t, RUNNING, NONE, lease_until)
  claims[#claims + 1] = t
  return true
end

local function leave(queue, tenant)
  call('ZREM', tag .. 'turns:' .. queue, tenant)
  if call('EXISTS', tag .. 'turns:' .. queue) == 0 then call('DEL', tag .. 'served:' .. queue) end
end

local function serve(queue, tenant, served, by)
  call('ZADD', tag .. 'turns:' .. queue, served + by, tenant)
  call('HSET', tag .. 'served:' .. queue, 't:' .. tenant, served + by, 'now', served + by - 1)
end

-- Whose turn it is: queue, tenant, what it was served. With several queues the older head decides
-- among equals.
local function next_lane()
  local queue, tenant, served, order
  for _, name in ipairs(queues) do
    local first = call('ZRANGE', tag .. 'turns:' .. name, 0, 0, 'WITHSCORES')
    while first[1] do
      local head = call('ZRANGE', tag .. 'ready:' .. name .. '\0' .. first[1], 0, 0, 'WITHSCORES')
      if head[1] then
        local turn, due = tonumber(first[2]), tonumber(head[2])
        if not served or turn < served or (turn == served and due < order) then
          queue, tenant, served, order = name, first[1], turn, due
        end
        break
      end
      leave(name, first[1])
      first = call('ZRANGE', tag .. 'turns:' .. name, 0, 0, 'WITHSCORES')
    end
  end
  return queue, tenant, served
end

local function only_lane()
  if #queues ~= 1 then return nil end
  local turns = call('ZRANGE', tag .. 'turns:' .. queues[1], 0, 1, 'WITHSCORES')
  if #turns ~= 2 then return nil end
  return queues[1], turns[1], tonumber(turns[2])
end

-- The usual case, one tenant alone, takes many at once.
local function claim_many(queue, tenant, served)
  local ready = tag .. 'ready:' .. queue .. '\0' .. tenant
  local popped = call('ZPOPMIN', ready, most - #claims)
  if #popped == 0 then
    leave(queue, tenant)
    return false
  end
  local taken, ids = 0, {}
  for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
  load_tasks(ids)
  for _, id in ipairs(ids) do
    if take(id) then taken = taken + 1 end
  end
  if taken > 0 then serve(queue, tenant, served, taken) end
  return true
end

-- The last argument of claim, and of the queues, is at `last`. Answers {end of the leases, next due time or -1, {id, j, s,
-- last error}...} after everything is written.
local function claim_tasks(last)
  for i = 6, last do
    if call('SISMEMBER', tag .. 'paused', ARGV[i]) == 0 then queues[#queues + 1] = ARGV[i] end
  end
  local first_due = call('ZRANGE', tag .. 'scheduled', 0, 0, 'WITHSCORES')
  local next_due = tonumber(first_due[2])
  if next_due and next_due <= now then
    promote()
    write_lanes()
    write_indexes()
    next_due = tonumber(call('ZRANGE', tag .. 'scheduled', 0, 0, 'WITHSCORES')[2])
  end
  while #claims < most and parks < parks_max do
    local queue, tenant, served = only_lane()
    if queue then
      claim_many(queue, tenant, served)
    else
      queue, tenant, served = next_lane()
      if not queue then break end
      local popped = call('ZPOPMIN', tag .. 'ready:' .. queue .. '\0' .. tenant)
      if popped[1] and take(popped[1]) then serve(queue, tenant, served, 1) end
    end
  end
  if #claims < most and parks < parks_max then
    news = false
    call('SET', tag .. 'idle', 1)
  else
    news = parks >= parks_max
  end
  write_all()

  local answer, ids, retried = {lease_until, next_due or -1}, {}, {}
  for i, t in ipairs(claims) do
    ids[i] = t.id
    if t.s[ATTEMPT] > 1 then retried[#retried + 1] = t.id end
  end
  local errors = {}
  for i, e in ipairs(parts('e', retried)) do errors[retried[i]] = e end
  local jobs = parts('j', ids)
  for i, t in ipairs(claims) do answer[i + 2] = {t.id, jobs[i], t.packed, errors[t.id] or ''} end
  return answer
end
