-- uses: records lanes endings
-- ARGV: time, run, reason, grace in ms. Answers what moved.
local moves, ids = {}, call('ZRANGE', tag .. 'run:' .. ARGV[2], 0, -1)
load_tasks(ids, true)
for _, id in ipairs(ids) do
  local t = task(id)
  -- An earlier one's end may have settled it already.
  if t and t.s[STATE] < SUCCEEDED then
    local along = {}
    ask_to_stop(t, ARGV[3], tonumber(ARGV[4]), along)
    moves[#moves + 1] = moved(t)
    for _, other in ipairs(along) do moves[#moves + 1] = other end
  end
end
write_all()
return moves
