-- uses: records lanes
-- ARGV: time, id. Answers how it stands, or {} when there is none, or {state} when it cannot.
local t = task(ARGV[2])
if not t then return {} end
local s = t.s
if s[STATE] ~= FAILED and s[STATE] ~= CANCELLED then return {s[STATE]} end
s[ATTEMPT], s[LOSSES], s[STOP], s[REASON], s[STARTED], s[GRACE_UNTIL] = 0, 0, 0, '', 0, 0
-- A deadline that has passed would end it again at once.
if s[UNTIL] <= now then s[UNTIL] = 0 end
make_ready(t, math.max(s[RUN_AT], now))
s[ENDED] = 0
local answer = moved(t)
write_all()
return answer
