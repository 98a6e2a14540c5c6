-- Does what workers need of a Redis: asks its clock and its replication id, writes a key
-- of ours, and may write one of asynq's, where there is nothing to delete.
--
-- KEYS: a key of ours. ARGV: one of asynq's, with the same hash tag
-- Returns: what was refused and why; or 'cluster' of a node of a cluster; or nothing
local function try(what, ...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then return {what, reply.err} end
  return nil, reply
end
local bad = try('TIME', 'TIME')
if bad then return bad end
bad = try('INFO', 'INFO', 'replication')
-- miniredis, for development, knows other sections only
if bad and not string.find(bad[2], 'is not supported', 1, true) then return bad end
bad = try('keys ecpayq:*', 'SET', KEYS.ours, '', 'PX', 60000) or try('keys asynq:*', 'DEL', ARGV.asynqs)
if bad then return bad end
local _, told = try('INFO', 'INFO', 'cluster')
if type(told) == 'string' and string.find(told, 'cluster_enabled:1', 1, true) then return {'cluster'} end
return {}
