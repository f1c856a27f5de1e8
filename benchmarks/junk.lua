-- Nothing but junk: our prefix, a wrong checksum, never twice in a row.
local junk, at = {}, 0
function init()
  for line in io.lines(os.getenv("BENCH_JUNK")) do junk[#junk + 1] = line end
end
function request()
  at = at + 1
  return wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. junk[(at - 1) % #junk + 1] })
end
