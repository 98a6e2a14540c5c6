-- Shared by most scripts.
--
-- The lock of a subject is "TOKEN REDIS SENDER": the attempt that holds it, and
-- when it ends by Redis' clock and by the clock of the worker that took it, in
-- milliseconds. It has ended when both clocks say so, Redis' and that of whoever
-- looks, so that one clock that jumps does not shorten it. The life of the key
-- itself is far longer, for the same reason.
local function lock_of(key)
  local v = redis.call('GET', key)
  if not v then return nil, 0, 0 end
  local token, by_redis, by_sender = string.match(v, '^(%S+) (%d+) (%d+)$')
  return token or v, tonumber(by_redis) or 0, tonumber(by_sender) or 0
end
-- How much longer a lock lives, 0 when it has ended.
local function lock_left(by_redis, by_sender, now, caller)
  return math.max(0, by_redis - now, by_sender - caller)
end
local DAY = 86400000 -- ms
-- Redis' clock, in microseconds and in milliseconds; one time for a whole script.
local clock
local function micros()
  if not clock then
    local t = redis.call('TIME')
    clock = t[1] * 1000000 + t[2]
  end
  return clock
end
local function redis_now()
  return math.floor(micros() / 1000)
end
-- A whole number as Redis stores it. Redis' own way to write those of Lua is slow.
local function digits(n)
  return string.format('%d', n)
end
-- Adds a field of a hash that is a number, unless it has it already; without it, it is 0.
local function changed_to(fields, name, value, was)
  if value ~= (tonumber(was) or 0) then
    fields[#fields + 1], fields[#fields + 2] = name, digits(value)
  end
end
-- Reports whether marks of a task may have been lost when Redis changed at that time (ms, 0 for
-- never). They may of every task that was enqueued before the change or within an hour after it:
-- the task itself may have been lost, and a shop that got no answer enqueues it again. The time
-- of the enqueue is by the producer's clock, which may be ahead, so that the task's first
-- attempt by Redis' clock counts where it is earlier.
local function older_than_loss(changed, enqueued, seen)
  return changed > 0 and math.min(tonumber(enqueued) or 0, seen) < changed + 3600000
end
-- Reports whether a letter was made by a person, by who put it into the ledger.
local function by_hand(by)
  return by and string.sub(by, 1, 9) == 'by hand: '
end
