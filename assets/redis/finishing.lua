-- How tasks are finished: part of finish.lua and turn.lua.
local function apply(t, verdict, delay, moves)
  local s = t.s
  if verdict ~= RELEASED then s[LOSSES] = 0 end
  if verdict == DONE then return end_task(t, SUCCEEDED, FINISHED, moves) end
  if verdict == GAVE_UP then return end_task(t, FAILED, FINISHED, moves) end
  if verdict == STOPPED or s[STOP] == 1 then return end_task(t, CANCELLED, CANCEL, moves) end
  if verdict == RELEASED then
    s[ATTEMPT] = s[ATTEMPT] - 1
    return move(t, QUEUED, NONE)
  end
  local due = now + math.max(delay, 0)
  if s[ATTEMPT] >= t.m[ATTEMPTS_MAX] then return end_task(t, FAILED, EXHAUSTED, moves) end
  if s[UNTIL] ~= 0 and due >= s[UNTIL] then return end_task(t, FAILED, DEADLINE, moves) end
  make_ready(t, due)
end

-- From the argument `first`: id, token, verdict, delay, result, error of each.
-- Answers {stale, state, cause, open tasks of its run, {moved...}} for each; nothing is written yet.
local function finish_tasks(first)
  local answers, ids = {}, {}
  for i = first, #ARGV, 6 do ids[#ids + 1] = ARGV[i] end
  load_tasks(ids)
  for i = first, #ARGV, 6 do
    local t, token, moves = task(ARGV[i]), tonumber(ARGV[i + 1]), {}
    local answer
    if not t then
      answer = {1, RUNNING, NONE, 0, moves}
    elseif token ~= 0 and t.s[DONE_TOKEN] == token then
      answer = {0, t.s[DONE_STATE], t.s[DONE_CAUSE], run_open(run_of(t)), moves}
    elseif t.s[STATE] ~= RUNNING or t.s[TOKEN] ~= token then
      answer = {1, t.s[STATE], t.s[CAUSE], run_open(run_of(t)), moves}
    else
      local s = t.s
      s[DONE_TOKEN] = token
      apply(t, tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), moves)
      s[DONE_STATE], s[DONE_CAUSE] = s[STATE], s[CAUSE]
      if s[STATE] == SUCCEEDED and ARGV[i + 4] ~= '' then set_part(t.id, 'r', ARGV[i + 4]) end
      if ARGV[i + 5] ~= '' then set_part(t.id, 'e', ARGV[i + 5]) end
      answer = {0, s[STATE], s[CAUSE], run_open(run_of(t)), moves}
    end
    answers[#answers + 1] = answer
  end
  return answers
end
