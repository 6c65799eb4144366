-- Sends the bodies of a file in turn (BODIES, one a line) with the key of KEY, each with a running
-- number in its fresh places (workload.py), and ends with one line of JSON for run.py.
local bodies = {}
local headers = {
  ["Content-Type"] = "application/json",
  ["Authorization"] = "Bearer " .. (os.getenv("KEY") or "none"),
}
local requests = {}
local at = 0

function init()
  for line in io.lines(os.getenv("BODIES")) do
    bodies[#bodies + 1] = line
  end
  for i, body in ipairs(bodies) do
    local request = wrk.format("POST", "/v1/chat/completions", headers, body)
    local pieces = {}
    for piece in (request:gsub("Order 0000000", "Order \0") .. "\0"):gmatch("([^%z]*)%z") do
      pieces[#pieces + 1] = piece
    end
    requests[i] = pieces
  end
end

function request()
  at = at + 1
  return table.concat(requests[at % #requests + 1], string.format("%07d", at % 10000000))
end

function done(summary, latency)
  io.write(string.format(
    '\nRESULT {"requests":%d,"seconds":%.3f,"errors":%d,"not_ok":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration / 1e6,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
