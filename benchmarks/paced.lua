-- One token; each connection waits between calls, so that the load stays at a part of the capacity.
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
local most = tonumber(os.getenv("BENCH_DELAY_MS")) * 2
function delay() return math.random(0, most) end
