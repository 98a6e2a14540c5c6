-- Shared by the scripts that permit a request.
local function permission_of(place, closed, shut, peek)
  local wait, at, why, probes = permission(KEYS.pace, KEYS.flight, ARGV.token, ARGV.request,
    tonumber(ARGV.interval), tonumber(ARGV.in_flight), ARGV.rank, place, tonumber(ARGV.life), ARGV.scope, closed, shut, peek)
  return wait, at, why, probes, stricter
end

-- Adds the mark of a write that goes out. Without it, nothing is sent. Its times are those
-- of the last write: what is judged by them is how long one may still land.
local function mark(fields, now)
  if ARGV.is_write ~= '1' then return end
  local n = #fields
  fields[n + 1], fields[n + 2] = 'in_flight', now
  fields[n + 3], fields[n + 4] = 'sent_at', ARGV.stamp
  fields[n + 5], fields[n + 6] = 'marked', ARGV.token
end
