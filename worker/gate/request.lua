-- What the scripts have in common that permit a request. Where it begins in their ARGV
-- differs: name of the request, interval (µs), most requests in flight, goes ahead (1/0), how
-- long it may take (µs), is a write (1/0), the clock by which it is stamped (ms), repeats a write
-- that is still unanswered (1/0), scope of the keys.
local function permission_of(at, pace, flight, place, closed, shut, peek)
  return permission(pace, flight, ARGV[1], ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3] == '1', place, tonumber(ARGV[at + 4]), ARGV[at + 8],
    closed, shut, peek)
end

-- Adds the mark of a write that goes out. Without it, nothing is sent. Its times are those
-- of the last write: what is judged by them is how long one may still land.
local function mark(at, fields, now)
  if ARGV[at + 5] ~= '1' then return end
  for _, v in ipairs({'in_flight', now, 'sent_at', ARGV[at + 6], 'marked', ARGV[1]}) do fields[#fields + 1] = v end
end
