-- What wrk counted, one number a line: requests, bytes, and errors of all kinds together.
function done(summary)
  local errors = summary.errors
  io.write(string.format("requests %d\nbytes %d\nerrors %d\n", summary.requests, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
