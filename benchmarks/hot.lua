-- One token, warm after the first request.
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
