-- Shared by the scripts that end a task.
local MOST_OUTCOMES = 1000000 -- of a merchant, about
-- Removes what only a letter has from a record.
local function forget_letter(key)
  redis.call('HDEL', key, 'type', 'queue', 'payload', 'headers', 'died', 'by', 'last_err', 'fix', 'original', 'unsure', 'prior_ttl',
    'unbegun', 'revived', 'fixed_by', 'base_died', 'base_payload', 'base_headers', 'base_fix', 'base_original',
    'd_kind', 'd_http_status', 'd_trans_code', 'd_rtn_code', 'd_rtn_msg', 'd_reason', 'd_reason_zh')
end
-- Removes from a record what it says of a write that is not accounted for.
local function forget_write(key)
  redis.call('HDEL', key, 'in_flight', 'sent_at', 'marked', 'repeated', 'repeats', 'not_executed', 'before')
end
-- Removes from a record what it says of the last attempt, or of a person who ended the task.
local function forget_end(key)
  redis.call('HDEL', key, 'kind', 'http_status', 'trans_code', 'rtn_code', 'rtn_msg', 'reason', 'reason_zh', 'result',
    'resolved_by', 'note')
end
-- Appends an end to the outcomes of the merchant, a stream whose ids are MS-SEQ. SEQ counts the
-- merchant's ends by one. MS is when the end was recorded by Redis' clock, or the MS before it
-- where that clock was set back, since ids must not fall; off is by how much the clock is
-- behind then. since is how far MS is from the one before, by which a reader recognises what
-- followed what, also when the entry before is not kept any more. What an answer says is not
-- stored beside it.
--
-- The entry is never the one that is removed, so that the stream is not empty again and SEQ does
-- not begin anew. What is done has the same few fields, whose names Redis then stores once for many;
-- a field that an entry lacks is empty.
local function append_outcome(e)
  local last = redis.call('XREVRANGE', KEYS.outcomes, '+', '-', 'COUNT', 1)[1]
  local before, seq = 0, 0
  if last then
    before, seq = string.match(last[1], '^(%d+)-(%d+)$')
    before, seq = tonumber(before), tonumber(seq)
  end
  local now, result = redis_now(), e.result or ''
  local ms = math.max(now, before)
  seq = seq + 1
  local age = tonumber(e.keep) or 0
  local oldest = age > 0 and math.max(0, now - age) or 0 -- where it is not known how long they are kept, none is removed
  local id, kind, reason, since, off = string.format('%d-%d', ms, seq), e.kind or '', e.reason or '', digits(ms - before), digits(ms - now)
  if result ~= '' and reason == '' then
    redis.call('XADD', KEYS.outcomes, 'MINID', '~', digits(oldest), id,
      'id', e.id, 'state', e.as, 'kind', kind, 'result', result, 'since', since, 'off', off)
  else
    local answered = result == '' and e.rtn_code and e.rtn_code ~= '0'
    redis.call('XADD', KEYS.outcomes, 'MINID', '~', digits(oldest), id,
      'id', e.id, 'state', e.as, 'kind', kind, 'rtn_code', answered and e.rtn_code or '', 'rtn_msg', result == '' and e.rtn_msg or '',
      'reason', reason, 'reason_zh', e.reason_zh or '', 'result', result, 'since', since, 'off', off)
  end
  if seq % 100 == 1 then -- the first one among them; later ones mend what a failover lost
    redis.call('XTRIM', KEYS.outcomes, 'MAXLEN', '~', MOST_OUTCOMES)
    if KEYS.outcome_owners then redis.call('SADD', KEYS.outcome_owners, e.owner) end
  end
end
-- Notes the invoice of a task in its record, key, and appends it to the outcomes of the merchant,
-- unless the record has it already. e is a table of
--   id: of the task whose invoice it is
--   owner, keep: as in ended
--   invoice: JSON of a tasks.Invoice
--   life: how long the record of a task that is done stays then (ms)
--   known: true where it is in the outcomes already; a record that has expired does not tell
local function issued(key, e)
  local r = FIELDS(key, 'state', 'invoice')
  if r.invoice == e.invoice then return end
  if r.state then
    redis.call('HSET', key, 'invoice', e.invoice)
    if r.state == 'done' and e.life ~= '0' then redis.call('PEXPIRE', key, e.life) end
  elseif e.known then
    return
  end
  append_outcome({id = e.id, owner = e.owner, as = 'issued', keep = e.keep, result = e.invoice})
end
-- Every end of a task goes through ended: of a verdict (leave.lua in worker/gate), of what asynq
-- archived without one and of what a person stopped (deposit.lua, settle.lua), and by a person's
-- word (resolve.lua). It puts the task into the index of the ledger or takes it out, appends the
-- end to the merchant's outcomes, and adds to fields what the record says of the end. The caller
-- then writes fields, its own among them, by one command.
--
-- Keys: task, dead and those of OutcomeKeys in tasks/record/keys.go.
-- fields: names and values of the record
-- e is a table of
--   id: of the task, which names its type and its subject as well
--   owner: whose outcomes these are
--   as: done, or by a person's word resolved or, before it was ever begun, cancelled; dead, or stopped, which is dead
--       because a person archived it
--   at: when it ended, by Redis' clock (ms)
--   died: when it died before, false if it never did
--   never: true where a record says that it never died, and the index has it not
--   kind: what it ended of; for what a person ends, what it had died of
--   reason, reason_zh: why it is dead or stopped
--   rtn_code, rtn_msg, http_status, trans_code: of the last answer; nil for what no answer ended
--   result: the last answer itself
--   keep: how long outcomes are kept (ms), nil where it is not known
--   known: true where this end is in the outcomes already, or is told there by other means
--
-- A script may be executed twice. The second execution ends nothing again, except where it
-- brings a proof of the effect (leave.lua): a proof is recorded whichever attempt brings it,
-- also when the task is done by then. It is then known.
local function ended(fields, e)
  if not e.known then append_outcome(e) end
  local n = #fields
  if e.as ~= 'dead' and e.as ~= 'stopped' then
    fields[n + 1], fields[n + 2] = 'state', 'done'
    if not e.never then redis.call('ZREM', KEYS.dead, e.id) end
    if e.died then forget_letter(KEYS.task) end
    return
  end
  redis.call('ZADD', KEYS.dead, e.at, e.id)
  -- What it died of stays beside what a later run brings.
  local death = {'state', 'dead', 'died', e.at, 'd_kind', e.kind, 'd_reason', e.reason, 'd_reason_zh', e.reason_zh}
  for i = 1, #death do fields[n + i] = death[i] end
  if not e.rtn_code then
    redis.call('HDEL', KEYS.task, 'd_http_status', 'd_trans_code', 'd_rtn_code', 'd_rtn_msg')
    return
  end
  n = #fields
  local answer = {'d_http_status', e.http_status, 'd_trans_code', e.trans_code, 'd_rtn_code', e.rtn_code, 'd_rtn_msg', e.rtn_msg}
  for i = 1, #answer do fields[n + i] = answer[i] end
end
