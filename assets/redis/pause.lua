-- uses: records
-- ARGV: time, queue, 1 or 0.
if ARGV[3] == '1' then
  call('SADD', tag .. 'paused', ARGV[2])
elseif call('SREM', tag .. 'paused', ARGV[2]) == 1 then
  news = true
  call('SET', tag .. 'idle', 1)  -- whoever it is for may have asked before it was paused
end
flush()
return 1
