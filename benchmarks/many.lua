-- 10,000 tokens in turn; each hundredth request brings one that nobody has seen.
local warm, fresh, at, new = {}, {}, 0, 0
function init()
  for line in io.lines(os.getenv("BENCH_TOKENS")) do
    if #warm < 10000 then warm[#warm + 1] = line else fresh[#fresh + 1] = line end
  end
  new = math.floor(#fresh * tonumber(os.getenv("BENCH_FRESH_FROM")))
end
function request()
  at = at + 1
  local token
  if at % 100 == 0 then
    new = new + 1
    token = fresh[(new - 1) % #fresh + 1]
  else
    token = warm[(at - 1) % #warm + 1]
  end
  return wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. token })
end
