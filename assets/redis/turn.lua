-- uses: records lanes endings finishing claiming
-- A worker's turn: what has ended, then what is next. ARGV: as claim, then what finish is told of each.
-- Answers {what finish answers, what claim answers}.
local queues_end = 5 + tonumber(ARGV[5])
local finished = finish_tasks(queues_end + 1)
-- What has become ready by that may be claimed at once, or by somebody else.
if news then
  write_lanes()
  write_indexes()
  tell_news()
end
return {finished, claim_tasks(queues_end)}
