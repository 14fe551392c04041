-- uses: records lanes endings
-- ARGV: time, most open tasks, submissions; each: tasks, documents, then what enqueue_plain.lua needs of
-- all its tasks (whether it may, run, tenant, queue, priority); each task: id, m, j, index; each
-- document: kind, id, text. Each submission is accepted as a whole or refused for itself.
-- Answers per submission a list of {id, run, existing}, or {'refused', why, details}.
local open_max, at = tonumber(ARGV[2]), 4
local keys, known = {}, {}
local open = 0
for _, value in ipairs(call('HMGET', tag .. 'counts', 0, 1, 2, 3)) do open = open + (tonumber(value) or 0) end

local function exists(id)
  local t = tasks[id]
  if t ~= nil then return t end
  local found = known[id]
  if found == nil then found = call('ZSCORE', tag .. 'ids', id) end
  return found and task(id)
end

local function find_by_key(tenant, key)
  local field = tenant .. '\0' .. key
  if keys[field] then return keys[field] end
  local id = call('HGET', tag .. 'keys', field)
  return id and task(id)
end

-- What each task of a submission comes to: an existing one, one earlier in it, or a new one.
local function plan(items)
  local places, by_key, added = {}, {}, 0
  for i, item in ipairs(items) do
    local m = item.m
    local same = places[item.id]
    if same then
      item.same_as = same
    else
      places[item.id] = i
      item.existing = exists(item.id)
      if not item.existing and m[KEY] ~= '' then
        item.existing = find_by_key(m[TENANT], m[KEY])
        local field = m[TENANT] .. '\0' .. m[KEY]
        if item.existing then
          if item.existing.m[DIGEST] ~= m[DIGEST] then return {'refused', 'key', m[KEY]} end
        elseif by_key[field] then
          item.same_as = by_key[field]
          if items[item.same_as].m[DIGEST] ~= m[DIGEST] then return {'refused', 'key', m[KEY]} end
        else
          by_key[field] = i
        end
      end
    end
    if not item.existing and not item.same_as then added = added + 1 end
  end
  for _, item in ipairs(items) do
    if not item.existing and not item.same_as and #item.m[DEPENDS] > 0 then
      local ids, seen = {}, {}
      for _, wanted in ipairs(item.m[DEPENDS]) do
        local id, place = wanted, places[wanted]
        if place then
          while items[place].same_as do place = items[place].same_as end
          id = items[place].existing and items[place].existing.id or items[place].id
        elseif not exists(wanted) then
          return {'refused', 'dependency', item.id, wanted}
        end
        if not seen[id] then
          seen[id] = true
          ids[#ids + 1] = id
        end
      end
      item.depends = ids
    end
  end
  if open + added > open_max then return {'refused', 'full', open, added} end
  return nil, added
end

local function add(item)
  local m = item.m
  local due = math.max(m[FIRST_RUN_AT], now)
  local state = due > now and SCHEDULED or QUEUED
  local blob = item.blob
  if item.depends then
    state = BLOCKED
    m[DEPENDS] = item.depends
    blob = pack(m)
  end
  local s = {state, NONE, 0, 0, 0, '', 0, '', now, due, 0, 0, m[FIRST_PRIORITY], m[FIRST_RUN_AT], 0, 0, 0, 0, 0,
    m[FIRST_DEADLINE], '', 0, m[RUN], #m[GATES] == 0 and 1 or 0}
  local t = {id = item.id, m = m, s = s}
  tasks[item.id] = t
  set_part(item.id, 'm', blob)
  set_part(item.id, 'j', item.job)
  touch(t)
  index('ids', item.id, 0)
  index('run:' .. m[RUN], item.id, m[INDEX])
  count(m[RUN], state, 1)
  if m[KEY] ~= '' then
    keys[m[TENANT] .. '\0' .. m[KEY]] = t
    call('HSET', tag .. 'keys', m[TENANT] .. '\0' .. m[KEY], item.id)
  end
  place(t)
  set_expiry(t)
  return t
end

-- What can go on at once does; what is ruled out already ends with the next sweep, which tells.
local function tie(t)
  for _, id in ipairs(t.m[DEPENDS]) do
    local other = task(id)
    if other and other.s[STATE] ~= SUCCEEDED then
      if other.s[LEADS] == 0 then
        other.s[LEADS] = 1
        touch(other)
      end
      call('SADD', tag .. 'leads:' .. id, t.id)
    end
  end
  local state = ruling(t)
  if state == QUEUED then
    make_ready(t, math.max(t.s[RUN_AT], now))
  elseif state then
    call('SADD', tag .. 'unsettled', t.id)
  end
end

local function submit(items, documents)
  local refused, added = plan(items)
  if refused then return refused end
  local answer, ties = {}, {}
  for i, item in ipairs(items) do
    local t = item.existing
    if item.same_as then t = items[item.same_as].existing or items[item.same_as].added end
    if t then
      answer[i] = {t.id, run_of(t), 1}
    else
      t = add(item)
      item.added = t
      if item.depends then ties[#ties + 1] = t end
      answer[i] = {t.id, t.m[RUN], 0}
    end
  end
  for _, t in ipairs(ties) do tie(t) end
  open = open + added
  if added > 0 or #items == 0 then
    for _, document in ipairs(documents) do
      if call('HSETNX', tag .. 'doc:' .. document[1], document[2], '1:' .. document[3]) == 1 then
        call('ZADD', tag .. 'docs:' .. document[1], 0, document[2])
      end
    end
  end
  return answer
end

local submissions, ids = {}, {}
for n = 1, tonumber(ARGV[3]) do
  local items, documents = {}, {}
  local task_count, document_count = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  at = at + 7
  for i = 1, task_count do
    items[i] = {id = ARGV[at], blob = ARGV[at + 1], m = unpack_list(ARGV[at + 1]), job = ARGV[at + 2]}
    ids[#ids + 1] = ARGV[at]
    at = at + 4
  end
  for i = 1, document_count do
    documents[i] = {ARGV[at], ARGV[at + 1], ARGV[at + 2]}
    at = at + 3
  end
  submissions[n] = {items, documents}
end
for i = 1, #ids, 2000 do
  local last = math.min(i + 1999, #ids)
  for k, score in ipairs(call('ZMSCORE', tag .. 'ids', unpack(ids, i, last))) do known[ids[i + k - 1]] = score end
end
local answers = {}
for n, submission in ipairs(submissions) do answers[n] = submit(submission[1], submission[2]) end
write_all()
return answers
