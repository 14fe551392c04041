-- uses: records
-- ARGV: time, queue, 1 or 0.
if ARGV[3] == '1' then
  call('SADD', tag .. 'paused', ARGV[2])
else
  news = call('SREM', tag .. 'paused', ARGV[2]) == 1
end
flush()
return 1
