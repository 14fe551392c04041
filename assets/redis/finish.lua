-- uses: records lanes endings finishing
-- ARGV: time, then as finish_tasks, whose answer it gives.
local answers = finish_tasks(2)
write_all()
return answers
