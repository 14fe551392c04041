-- uses: records lanes endings
-- ARGV: time, id, reason, grace in ms. Answers how it stands, or {} when there is none, or
-- {state} when it has ended.
local t = task(ARGV[2])
if not t then return {} end
if t.s[STATE] >= SUCCEEDED then return {t.s[STATE]} end
ask_to_stop(t, ARGV[3], tonumber(ARGV[4]), nil)
local answer = moved(t)
write_all()
return answer
