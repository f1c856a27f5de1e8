-- A proxy asks about a call: one token, warm after the first request.
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
wrk.headers["X-Original-Method"] = "GET"
wrk.headers["X-Original-URI"] = os.getenv("BENCH_URI")
wrk.headers["X-Forwarded-Proto"] = "http"
wrk.headers["X-Forwarded-For"] = "192.0.2.1"
