-- Part of every script: time, records, indexes. All keys carry the tag of KEYS[1], so that they lie
-- in one slot. A task is read once per call, changed in memory and written by flush(); so are the
-- indexes. A script is applied as a whole or not at all.
--
-- The parts of a task are in hashes by its id: one command reads or writes a part of many tasks.
--   <tag>:j  the spec as one line of JSON, then the job
--   <tag>:m  what scripts need of it     <tag>:s  its status     (both MessagePack lists)
--   <tag>:p  progress   <tag>:r  result   <tag>:e  last error
-- Words in capitals are numbers: numbers.txt has them, and the order of m and s.
local tag = KEYS[1] .. ':'
local call, unpack_list, pack = redis.call, cmsgpack.unpack, cmsgpack.pack

-- The server's clock; tests bring their own.
local now, now_us = tonumber(ARGV[1]), nil
if now == 0 then
  local time = call('TIME')
  now_us = time[1] * 1000000 + time[2]
  now = math.floor(now_us / 1000)
else
  now_us = now * 1000
end

local tasks, changed, written, indexes, counts, runs, opens, news = {}, {}, {}, {}, {}, {}, {}, false

-- A part of many tasks, in their order; false where there is none.
local function parts(name, ids)
  local found = {}
  for i = 1, #ids, 2000 do
    local last = math.min(i + 1999, #ids)
    for k, part in ipairs(call('HMGET', tag .. name, unpack(ids, i, last))) do found[i + k - 1] = part end
  end
  return found
end

-- m is read when it is asked for: the usual way of a task needs its status alone.
local lazy = {__index = function(t, key)
  if key ~= 'm' then return nil end
  t.m = unpack_list(call('HGET', tag .. 'm', t.id))
  return t.m
end}

local function know(id, s, m)
  local t = s and setmetatable({id = id, s = unpack_list(s), m = m and unpack_list(m) or nil}, lazy)
  tasks[id] = t or false
  return t or nil
end

-- Reads many at once; task() then has them.
local function load_tasks(ids, whole)
  local wanted = {}
  for _, id in ipairs(ids) do
    if tasks[id] == nil then wanted[#wanted + 1] = id end
  end
  if #wanted == 0 then return end
  local s, m = parts('s', wanted), whole and parts('m', wanted) or {}
  for i, id in ipairs(wanted) do know(id, s[i], m[i]) end
end

-- The task, or nil.
local function task(id)
  local known = tasks[id]
  if known ~= nil then return known or nil end
  return know(id, call('HGET', tag .. 's', id))
end

-- What the status repeats of m; a status of an older release does not.
local NO_GATES = {}
local function run_of(t) return t.s[OF_RUN] or t.m[RUN] end
local function gates_of(t)
  if t.s[UNGATED] == 1 then return NO_GATES end
  return t.m[GATES]
end

local function touch(t)
  if t.touched then return end
  t.touched = true
  changed[#changed + 1] = t
end

-- Another part of it than the status.
local function set_part(id, name, value)
  local list = written[name]
  if not list then
    list = {}
    written[name] = list
  end
  list[#list + 1] = id
  list[#list + 1] = value
end

-- Puts a member into a sorted set at a score; false takes it out. The last word counts.
local function index(name, member, score)
  local set = indexes[name]
  if not set then
    set = {}
    indexes[name] = set
  end
  set[member] = score
end

-- Many have the same score: it is made a text once.
local score_texts = {}
local function text_of(score)
  local text = score_texts[score]
  if not text then
    text = string.format('%d', score)
    score_texts[score] = text
  end
  return text
end

local function write_index(name, set)
  local add, out = {}, {}
  for member, score in pairs(set) do
    if score then
      add[#add + 1] = text_of(score)
      add[#add + 1] = member
    else
      out[#out + 1] = member
    end
  end
  local key = tag .. name
  for i = 1, #add, 2000 do call('ZADD', key, unpack(add, i, math.min(i + 1999, #add))) end
  for i = 1, #out, 2000 do call('ZREM', key, unpack(out, i, math.min(i + 1999, #out))) end
end

local function write_indexes()
  local all = indexes
  indexes = {}
  for name, set in pairs(all) do write_index(name, set) end
end

local function count(run, state, by)
  counts[state] = (counts[state] or 0) + by
  local of_run = runs[run]
  if not of_run then
    of_run = {}
    runs[run] = of_run
  end
  of_run[state] = (of_run[state] or 0) + by
end

-- How many tasks of the run have not ended, by now.
local function run_open(run)
  local stored = opens[run]
  if not stored then
    stored = 0
    for _, value in ipairs(call('HMGET', tag .. 'runs:' .. run, 0, 1, 2, 3)) do
      stored = stored + (tonumber(value) or 0)
    end
    opens[run] = stored
  end
  local since = runs[run]
  if not since then return stored end
  return stored + (since[0] or 0) + (since[1] or 0) + (since[2] or 0) + (since[3] or 0)
end

local function moved(t)
  return {t.id, run_of(t), t.m[INDEX], t.s[STATE], t.s[CAUSE], run_open(run_of(t))}
end

local function write_counts(key, deltas)
  for state, by in pairs(deltas) do
    if by ~= 0 then call('HINCRBY', key, state, by) end
  end
end

-- Somebody asked for work and went away with less than wanted: it is time to ask again.
local function tell_news()
  if news and call('DEL', tag .. 'idle') == 1 then call('PUBLISH', tag .. 'news', '1') end
  news = false
end

-- Writes everything.
local function flush()
  for _, t in ipairs(changed) do
    t.packed = pack(t.s)
    set_part(t.id, 's', t.packed)
  end
  for name, list in pairs(written) do
    for i = 1, #list, 2000 do call('HSET', tag .. name, unpack(list, i, math.min(i + 1999, #list))) end
  end
  write_indexes()
  write_counts(tag .. 'counts', counts)
  for run, deltas in pairs(runs) do write_counts(tag .. 'runs:' .. run, deltas) end
  tell_news()
end
