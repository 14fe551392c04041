-- uses: records
-- ARGV: time, kind, id.
call('HDEL', tag .. 'doc:' .. ARGV[2], ARGV[3])
return call('ZREM', tag .. 'docs:' .. ARGV[2], ARGV[3])
