-- uses: records lanes
-- ARGV: time, id, priority or '', run_at or ''. Answers {} when there is none, {state} when it does
-- not wait, else {state, 1}.
local t = task(ARGV[2])
if not t then return {} end
local s = t.s
if s[STATE] >= RUNNING then return {s[STATE]} end
if s[STATE] ~= BLOCKED then unplace(t) end
if ARGV[3] ~= '' then s[PRIORITY] = tonumber(ARGV[3]) end
if ARGV[4] ~= '' then s[RUN_AT] = tonumber(ARGV[4]) end
touch(t)
if s[STATE] ~= BLOCKED then
  make_ready(t, ARGV[4] ~= '' and math.max(s[RUN_AT], s[CREATED]) or s[DUE])
end
write_all()
return {s[STATE], 1}
