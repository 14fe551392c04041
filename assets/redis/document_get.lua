-- uses: records
-- ARGV: time, kind, id. Answers version:text or nil.
return call('HGET', tag .. 'doc:' .. ARGV[2], ARGV[3])
