-- Shared by the scripts that end a task.
--
-- Removes what only a letter has from a record.
local function forget_letter(key)
  redis.call('HDEL', key, 'type', 'queue', 'payload', 'headers', 'died', 'by', 'last_err', 'fix', 'original', 'unsure', 'prior_ttl',
    'unbegun', 'revived', 'fixed_by', 'base_died', 'base_payload', 'base_headers', 'base_fix', 'base_original',
    'd_kind', 'd_http_status', 'd_trans_code', 'd_rtn_code', 'd_rtn_msg', 'd_reason', 'd_reason_zh')
end
-- Removes from a record what it says of a write that is not accounted for.
local function forget_write(key)
  redis.call('HDEL', key, 'in_flight', 'sent_at', 'marked', 'repeated', 'repeats', 'not_executed')
end
-- Every end of a task goes through ended: of a verdict (leave.lua in worker/gate), of what asynq
-- archived without one and of what a person stopped (deposit.lua, settle.lua), and by a person's
-- word (resolve.lua). It puts the task into the index of the ledger or takes it out, and adds to
-- fields what the record says of the end. The caller then writes fields, its own among them, by
-- one command.
--
-- fields: names and values of the record
-- key, index: the record, and the index of the ledger
-- id: of the task, which names its type and its merchant as well
-- as: done, or by a person's word resolved or, before it was ever begun, cancelled; dead, or stopped, which is dead
--     because a person archived it
-- at: when it ended, by Redis' clock (ms)
-- died: when it died before, false if it never did
-- kind: what it ended of; for what a person ends, what it had died of
-- reason, reason_zh: why it is dead or stopped
-- rtn_code, rtn_msg, http_status, trans_code: of the last answer; nil for what no answer ended
--
-- A script may be executed twice. The second execution ends nothing again, except where it
-- brings a proof of the effect (leave.lua): a proof is recorded whichever attempt brings it,
-- also when the task is done by then.
local function ended(fields, key, index, id, as, at, died, kind, reason, reason_zh, rtn_code, rtn_msg, http_status, trans_code)
  local n = #fields
  if as ~= 'dead' and as ~= 'stopped' then
    fields[n + 1], fields[n + 2] = 'state', 'done'
    redis.call('ZREM', index, id)
    if died then forget_letter(key) end
    return
  end
  redis.call('ZADD', index, at, id)
  -- What it died of stays beside what a later run brings.
  local death = {'state', 'dead', 'died', at, 'd_kind', kind, 'd_reason', reason, 'd_reason_zh', reason_zh}
  for i = 1, #death do fields[n + i] = death[i] end
  if not rtn_code then
    redis.call('HDEL', key, 'd_http_status', 'd_trans_code', 'd_rtn_code', 'd_rtn_msg')
    return
  end
  n = #fields
  local answer = {'d_http_status', http_status, 'd_trans_code', trans_code, 'd_rtn_code', rtn_code, 'd_rtn_msg', rtn_msg}
  for i = 1, #answer do fields[n + i] = answer[i] end
end
