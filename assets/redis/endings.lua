-- How tasks end, and what that means for those that depend on them.

-- What the tasks that it depends on decide for it: state and cause, or nil: wait. A task that is
-- gone has ended, and did not rule anything then.
local function ruling(t)
  local open, succeeded, failed, cancelled = 0, 0, 0, 0
  for _, id in ipairs(t.m[DEPENDS]) do
    local other = task(id)
    local state = other and other.s[STATE]
    if not state then
    elseif state < SUCCEEDED then
      open = open + 1
    elseif state == SUCCEEDED then
      succeeded = succeeded + 1
    elseif state == FAILED then
      failed = failed + 1
    else
      cancelled = cancelled + 1
    end
  end
  local rule = t.m[RULE]
  if rule == 0 then
    if failed + cancelled > 0 then return FAILED, DEPENDENCY end
    if open == 0 then return QUEUED, NONE end
  elseif rule == 1 then
    if succeeded > 0 then return QUEUED, NONE end
    if open == 0 then return FAILED, DEPENDENCY end
  elseif rule == 2 then
    if failed > 0 then return QUEUED, NONE end
    if open == 0 then return CANCELLED, DEPENDENCY end
  elseif open == 0 then
    return QUEUED, NONE
  end
  return nil
end

-- Moves a blocked task if its time has come. True when it has ended by that.
local function decide(t, moves)
  local state, cause = ruling(t)
  if not state then return nil end
  if state == QUEUED then
    make_ready(t, math.max(t.s[RUN_AT], now))
  else
    t.s[ENDED] = now
    move(t, state, cause)
  end
  moves[#moves + 1] = moved(t)
  return state
end

-- Those that depended on a task that has ended, and those that depended on them. Without a list for
-- what moves, sweep does it.
local function settle_dependents(first, moves)
  local ended, at = {first}, 1
  while ended[at] do
    local t = ended[at]
    at = at + 1
    if t.s[LEADS] == 1 then
      local key = tag .. 'leads:' .. t.id
      for _, id in ipairs(call('SMEMBERS', key)) do
        local other = task(id)
        if not other or other.s[STATE] ~= BLOCKED then
          call('SREM', key, id)
        elseif not moves then
          call('SADD', tag .. 'unsettled', id)
        else
          local state = decide(other, moves)
          if state then call('SREM', key, id) end
          if state and state >= SUCCEEDED then ended[#ended + 1] = other end
        end
      end
    end
  end
end

local function settle(t, moves)
  if t.s[STATE] ~= BLOCKED then return end
  local state = decide(t, moves)
  if state and state >= SUCCEEDED then settle_dependents(t, moves) end
end

local function end_task(t, state, cause, moves)
  t.s[ENDED] = now
  move(t, state, cause)
  settle_dependents(t, moves)
end

-- Asks for a stop. What waits ends at once.
local function ask_to_stop(t, reason, grace, moves)
  local s = t.s
  local until_time = now + math.max(grace, 0)
  if s[STOP] == 1 then until_time = math.min(s[GRACE_UNTIL], until_time) end
  s[GRACE_UNTIL] = until_time
  s[STOP] = 1
  if s[REASON] == '' then s[REASON] = reason end
  if s[STATE] ~= RUNNING then
    end_task(t, CANCELLED, CANCEL, moves)
  else
    set_expiry(t)
    touch(t)
  end
end
