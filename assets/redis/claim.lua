-- uses: records lanes claiming
-- ARGV: time, worker, most, lease in ms, number of queues, queues... Pops and leases in one step.
-- Answers as claim_tasks.
return claim_tasks(#ARGV)
