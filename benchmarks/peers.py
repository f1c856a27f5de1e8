"""nginx configurations of the origin and of the peers, rendered into a work folder."""

from pathlib import Path

MODULES = Path("/usr/lib/nginx/modules")

_HEAD = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
worker_processes 1;
worker_cpu_affinity {affinity};
error_log {work}/{name}.log warn;
pid {work}/{name}.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_body_buffer_size 256k;
  client_max_body_size 16m;
  proxy_buffers 16 16k;
  client_body_temp_path {work}/{name}-body;
  proxy_temp_path {work}/{name}-proxy;
  fastcgi_temp_path {work}/{name}-fastcgi;
  uwsgi_temp_path {work}/{name}-uwsgi;
  scgi_temp_path {work}/{name}-scgi;
"""

# Upstream, token service and control API in one: what every gateway needs around it, canned.
_ORIGIN = """
  lua_shared_dict canned 16m;
  init_by_lua_block {{
    local sized = {{ [1024] = string.rep("y", 1024), [102400] = string.rep("y", 102400) }}
    function answer(size)
      ngx.req.read_body()
      ngx.header["Content-Length"] = size
      ngx.print(sized[size])
    end
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{body}'; }}
    location = /orders/1024 {{ content_by_lua_block {{ answer(1024) }} }}
    location = /orders/102400 {{ content_by_lua_block {{ answer(102400) }} }}
    location = /orders/v1/orders/1024 {{ content_by_lua_block {{ answer(1024) }} }}
    location = /orders/v1/orders/102400 {{ content_by_lua_block {{ answer(102400) }} }}
    location = /behave {{
      content_by_lua_block {{
        ngx.shared.canned:set("delay", tonumber(ngx.var.arg_delay))
        ngx.shared.canned:set("refuses", ngx.var.arg_refuses)
      }}
    }}
    location = /introspections {{
      content_by_lua_block {{ ngx.print(ngx.shared.canned:get("introspections") or 0) }}
    }}
    location = /.well-known/openid-configuration {{
      default_type application/json;
      return 200 '{discovery}';
    }}
    location = /.well-known/oauth-authorization-server {{
      default_type application/json;
      return 200 '{discovery}';
    }}
    location = /oauth/token {{
      default_type application/json;
      return 200 '{{"access_token":"{control_token}","token_type":"Bearer","expires_in":3600}}';
    }}
    location = /oauth/introspect {{
      default_type application/jwt;
      add_header Cache-Control "private, max-age=300";
      content_by_lua_block {{
        ngx.req.read_body()
        ngx.shared.canned:incr("introspections", 1, 0)
        local delay = ngx.shared.canned:get("delay")
        if delay then ngx.sleep(delay) end
        if ngx.shared.canned:get("refuses") then return ngx.exit(204) end
        ngx.print("{jwt}")
      }}
    }}
    location = /oauth/revocations {{
      default_type application/json;
      content_by_lua_block {{
        if ngx.var.arg_after then ngx.sleep(20) end
        ngx.print('{{"cursor":1,"digests":[],"reset":false}}')
      }}
    }}
    location = /control/v1/snapshot {{
      default_type application/json;
      content_by_lua_block {{
        if (tonumber(ngx.var.arg_after) or 0) >= 1 then
          ngx.sleep(20); ngx.status = 204; return
        end
        local file = io.open("{work}/snapshot.json"); ngx.print(file:read("*a")); file:close()
      }}
    }}
    location = /control/v1/usage-batches {{
      client_max_body_size 16m;
      content_by_lua_block {{ ngx.req.read_body(); ngx.status = 201 }}
    }}
  }}
}}
"""

_PROXY = """
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port}{tls};
    {certificate}
    location / {{
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://origin;
    }}
  }}
}}
"""

# What Kong, APISIX and OpenResty do: the token swapped from a shared dict, introspected on a miss.
_LUA_SWAP = """
  lua_shared_dict tokens 64m;
  limit_req_zone $http_authorization zone=calls:64m rate=1000000r/s;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port}{tls};
    {certificate}
    limit_req zone=calls burst=100000 nodelay;
    location = /introspect {{
      internal;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Content-Type application/x-www-form-urlencoded;
      proxy_set_header Accept application/jwt;
      proxy_pass http://origin/oauth/introspect;
    }}
    location / {{
      access_by_lua_block {{
        local header = ngx.var.http_authorization
        local token = header and header:match("^[Bb]earer +([%w%-%._~%+/]+=*)$")
        if not token then return ngx.exit(401) end
        local jwt = ngx.shared.tokens:get(token)
        if not jwt then
          local answer = ngx.location.capture("/introspect", {{
            method = ngx.HTTP_POST, body = "token=" .. ngx.escape_uri(token) }})
          if answer.status == 204 then return ngx.exit(401) end
          if answer.status ~= 200 then return ngx.exit(503) end
          jwt = answer.body
          ngx.shared.tokens:set(token, jwt, 300)
        end
"""
_LUA = (
    _LUA_SWAP
    + """
        ngx.req.set_header("Authorization", "Bearer " .. jwt)
      }}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://origin;
    }}
  }}
}}
"""
)
# Forward-auth: the proxy that asks is given the JWT and forwards by itself.
_LUA_AUTH = (
    _LUA_SWAP
    + """
        ngx.header["Authorization"] = "Bearer " .. jwt
        ngx.header["Content-Length"] = 0
        return ngx.exit(200)
      }}
    }}
  }}
}}
"""
)


# What our gateway does, in Lua: the token's claims are read once and kept, then the operation's
# scope is checked, calls are counted per client and a line of JSON is logged.
_LUA_SAME = """
  lua_shared_dict tokens 64m;
  lua_shared_dict clients 16m;
  limit_req_zone $http_authorization zone=calls:64m rate=1000000r/s;
  log_format json escape=json '{{"time":"$msec","method":"$request_method","path":"$uri",'
    '"status":$status,"seconds":$request_time,"request_bytes":$request_length,'
    '"response_bytes":$body_bytes_sent,"client_id":"$client","peer":"$remote_addr",'
    '"request_id":"$request_id"}}';
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 100000000; }}
  init_by_lua_block {{ cjson = require "cjson.safe" }}
  server {{
    listen 127.0.0.1:{port}{tls};
    {certificate}
    access_log {work}/{name}.jsonl json buffer=64k flush=1s;
    set $client "";
    limit_req zone=calls burst=100000 nodelay;
    location = /introspect {{
      internal;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Content-Type application/x-www-form-urlencoded;
      proxy_set_header Accept application/jwt;
      proxy_pass http://origin/oauth/introspect;
    }}
    location / {{
      access_by_lua_block {{
        local header = ngx.var.http_authorization
        local token = header and header:match("^[Bb]earer +([%w%-%._~%+/]+=*)$")
        if not token then return ngx.exit(401) end
        local tokens = ngx.shared.tokens
        local kept = tokens:get(token)
        if not kept then
          local answer = ngx.location.capture("/introspect", {{
            method = ngx.HTTP_POST, body = "token=" .. ngx.escape_uri(token) }})
          if answer.status == 204 then return ngx.exit(401) end
          if answer.status ~= 200 then return ngx.exit(503) end
          local part = answer.body:match("^[^.]+%.([^.]+)%."):gsub("%-", "+"):gsub("_", "/")
          local claims = cjson.decode(ngx.decode_base64(part .. ("="):rep(-#part % 4)))
          kept = claims.client_id .. "\\n " .. claims.scope .. " \\n" .. answer.body
          tokens:set(token, kept, 300)
        end
        local client, scopes, jwt = kept:match("^([^\\n]+)\\n([^\\n]+)\\n(.+)$")
        local needed = ngx.req.get_method() == "GET" and " orders:read " or " orders:write "
        if not scopes:find(needed, 1, true) then return ngx.exit(403) end
        local clients = ngx.shared.clients
        if clients:incr(client .. ":second", 1, 0, 1) > 10000000 then return ngx.exit(429) end
        if clients:incr(client .. ":month", 1, 0) > 1000000000000 then return ngx.exit(429) end
        ngx.var.client = client
        ngx.req.set_header("Authorization", "Bearer " .. jwt)
        ngx.req.set_header("X-Request-Id", ngx.var.request_id)
      }}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      rewrite ^/orders/v1(/.*)$ $1 break;
      proxy_pass http://origin;
    }}
  }}
}}
"""
_TEMPLATES = {
    "origin": _ORIGIN,
    "proxy": _PROXY,
    "lua": _LUA,
    "lua-same": _LUA_SAME,
    "lua-auth": _LUA_AUTH,
}


def render(kind: str, *, work: Path, port: int, values: dict[str, str], tls: bool) -> Path:
    """Write the configuration of `kind` (a key of `_TEMPLATES`) and return its path.

    The origin shares its core with the load; the peers get the core that the gateway gets too.
    """
    certificate = (
        f"ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem;"
        " ssl_protocols TLSv1.2 TLSv1.3;"
        if tls
        else ""
    )
    name = f"{kind}-tls" if tls else kind
    template = _HEAD + _TEMPLATES[kind]
    text = template.format(
        modules=MODULES,
        affinity="10" if kind == "origin" else "01",
        work=work,
        name=name,
        port=port,
        tls=" ssl" if tls else "",
        certificate=certificate,
        **values,
    )
    path = work / f"{name}.conf"
    path.write_text(text)
    return path
