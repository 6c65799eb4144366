-- Sends the bodies of a file in turn (BODIES, one a line) with the key of KEY, and ends with one
-- line of JSON for run.py.
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
    requests[i] = wrk.format("POST", "/v1/chat/completions", headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  io.write(string.format(
    '\nRESULT {"requests":%d,"seconds":%.3f,"errors":%d,"not_ok":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration / 1e6,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
