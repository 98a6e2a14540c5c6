-- What the scripts have in common that permit a request. Where it begins in their ARGV
-- differs: name of the request, interval (µs), most requests in flight, rank, how
-- long it may take (µs), is a write (1/0), the clock by which it is stamped (ms), repeats a write
-- that is still unanswered (1/0), scope of the keys.
local function permission_of(first, pace, flight, place, closed, shut, peek)
  local wait, at, why, probes = permission(pace, flight, ARGV[1], ARGV[first], tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]),
    ARGV[first + 3], place, tonumber(ARGV[first + 4]), ARGV[first + 8], closed, shut, peek)
  return wait, at, why, probes, stricter
end

-- Adds the mark of a write that goes out. Without it, nothing is sent. Its times are those
-- of the last write: what is judged by them is how long one may still land.
local function mark(first, fields, now)
  if ARGV[first + 5] ~= '1' then return end
  local n = #fields
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4], fields[n + 5], fields[n + 6] = 'in_flight', now, 'sent_at', ARGV[first + 6], 'marked', ARGV[1]
end
