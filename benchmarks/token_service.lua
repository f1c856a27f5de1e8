-- POSTs a form as one client; where tokens are named, each request asks about the next of them.
local tokens, at = {}, 0
function init()
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.headers["Authorization"] = os.getenv("BENCH_AUTHORIZATION")
  wrk.headers["Accept"] = os.getenv("BENCH_ACCEPT")
  local path = os.getenv("BENCH_TOKENS")
  if path ~= "" then
    for token in io.lines(path) do tokens[#tokens + 1] = token end
  end
end
function request()
  if #tokens == 0 then return wrk.format(nil, nil, nil, os.getenv("BENCH_BODY")) end
  at = at + 1
  return wrk.format(nil, nil, nil, "token=" .. tokens[(at - 1) % #tokens + 1])
end
