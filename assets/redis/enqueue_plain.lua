-- uses:
-- The usual case of enqueue.lua with the same arguments: new tasks that are ready at once and tied to
-- nothing. Answers 1, or 0 when it is another case after all: then nothing is changed.
local tag, call = KEYS[1] .. ':', redis.call
local now = tonumber(ARGV[1])
if now == 0 then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local at, total = 4, 0
local ids, m, j, s, all = {}, {}, {}, {}, {}
local runs, lanes, statuses, documents = {}, {}, {}, {}

local function list_of(lists, key)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  return list
end

-- The status of a task that waits: numbers.txt has the places.
local function status_of(run, priority)
  local key = priority .. ' ' .. run
  local packed = statuses[key]
  if not packed then
    packed = cmsgpack.pack({2, 0, 0, 0, 0, '', 0, '', now, now, 0, 0, tonumber(priority), 0, 0, 0, 0, 0, 0, 0, '', 0,
      run, 1})
    statuses[key] = packed
  end
  return packed
end

local function write(command, key, list)
  for i = 1, #list, 2000 do call(command, key, unpack(list, i, math.min(i + 1999, #list))) end
end

for _ = 1, tonumber(ARGV[3]) do
  local count, document_count = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local run, tenant, queue, priority = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
  at = at + 7
  local of_run, status = list_of(runs, run), status_of(run, priority)
  local lane = list_of(lanes, queue .. '\0' .. tenant)
  lane.queue, lane.tenant = queue, tenant
  local order = string.format('%d', now - tonumber(priority) * 60000)
  local k, r, l = 2 * total + 1, #of_run + 1, #lane + 1
  for n = 1, count do
    local id = ARGV[at]
    ids[total + n] = id
    m[k], m[k + 1] = id, ARGV[at + 1]
    j[k], j[k + 1] = id, ARGV[at + 2]
    s[k], s[k + 1] = id, status
    all[k], all[k + 1] = '0', id
    of_run[r], of_run[r + 1] = ARGV[at + 3], id
    lane[l], lane[l + 1] = order, id
    k, r, l, at = k + 2, r + 2, l + 2, at + 4
  end
  total = total + count
  for _ = 1, document_count do
    documents[#documents + 1] = {ARGV[at], ARGV[at + 1], ARGV[at + 2]}
    at = at + 3
  end
end

local open = total
for _, value in ipairs(call('HMGET', tag .. 'counts', '0', '1', '2', '3')) do open = open + (tonumber(value) or 0) end
if open > tonumber(ARGV[2]) then return 0 end
local seen = {}
for i = 1, total, 2000 do
  for k, score in ipairs(call('ZMSCORE', tag .. 'ids', unpack(ids, i, math.min(i + 1999, total)))) do
    local id = ids[i + k - 1]
    if score or seen[id] then return 0 end
    seen[id] = true
  end
end

write('HSET', tag .. 'm', m)
write('HSET', tag .. 'j', j)
write('HSET', tag .. 's', s)
write('ZADD', tag .. 'ids', all)
call('HINCRBY', tag .. 'counts', '2', total)
for run, list in pairs(runs) do
  write('ZADD', tag .. 'run:' .. run, list)
  call('HINCRBY', tag .. 'runs:' .. run, '2', #list / 2)
end
for key, lane in pairs(lanes) do
  write('ZADD', tag .. 'ready:' .. key, lane)
  local turns = tag .. 'turns:' .. lane.queue
  if not call('ZSCORE', turns, lane.tenant) then
    local served = call('HMGET', tag .. 'served:' .. lane.queue, 't:' .. lane.tenant, 'now')
    call('ZADD', turns, math.max(tonumber(served[1]) or 0, tonumber(served[2]) or 0), lane.tenant)
    call('SADD', tag .. 'queues', lane.queue)
  end
end
for _, document in ipairs(documents) do
  if call('HSETNX', tag .. 'doc:' .. document[1], document[2], '1:' .. document[3]) == 1 then
    call('ZADD', tag .. 'docs:' .. document[1], 0, document[2])
  end
end
-- Somebody asked for work and went away with less than wanted: it is time to ask again.
if call('DEL', tag .. 'idle') == 1 then call('PUBLISH', tag .. 'news', '1') end
return 1
