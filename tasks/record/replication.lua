-- Returns when Redis may last have lost writes (ms, 0 for never), and remembers
-- its replication id. A promoted replica has another id than the master before,
-- and so has a server that was restarted; both may lack the last writes. A user
-- who may not ask INFO has no such check.
--
-- A restarted server tells when it was started. A promoted replica does not tell when it was
-- promoted: what counts is when a worker first noticed it, so workers look often.
local function lost_writes(key, now)
  local info = redis.pcall('INFO', 'replication')
  local at = type(info) == 'string' and string.find(info, 'master_replid:', 1, true)
  if not at then return 0 end
  local id = string.sub(info, at + 14, at + 53)
  local h = FIELDS(key, 'replid', 'changed')
  local changed = tonumber(h.changed) or 0
  if h.replid == id then
    if changed > now then -- Redis' clock was set back since: as late as now at most
      changed = now
      redis.call('HSET', key, 'changed', changed)
    end
    return changed
  end
  if h.replid then
    changed = now
    if string.find(info, 'second_repl_offset:-1', 1, true) then -- no master before this one
      local server = redis.pcall('INFO', 'server')
      local up = type(server) == 'string' and string.match(server, 'uptime_in_seconds:(%d+)')
      if up then changed = now - up * 1000 end
    end
  end
  redis.call('HSET', key, 'replid', id, 'changed', changed)
  return changed
end
-- Reports whether a write of a task may have happened: it is marked, or the mark may be lost.
-- first is when its first attempt was, false for none. The script that asks notices a change by
-- itself, since there may be no worker that would.
local function unaccounted(in_flight, replication, enqueued, first)
  return in_flight or older_than_loss(lost_writes(replication, redis_now()), enqueued, tonumber(first) or redis_now())
end
