"""nginx configurations of the origin and of the peers, rendered into a work folder."""

from dataclasses import dataclass
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
  client_body_temp_path {work}/{name}-body;
  proxy_temp_path {work}/{name}-proxy;
  fastcgi_temp_path {work}/{name}-fastcgi;
  uwsgi_temp_path {work}/{name}-uwsgi;
  scgi_temp_path {work}/{name}-scgi;
"""

# Upstream, token service and control API in one: what every gateway needs around it, canned.
_ORIGIN = """
  lua_shared_dict canned 16m;
  server {{
    listen 127.0.0.1:{origin};
    location / {{ default_type application/json; return 200 '{body}'; }}
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
      content_by_lua_block {{ ngx.req.read_body(); ngx.print("{jwt}") }}
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
_LUA = """
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
        ngx.req.set_header("Authorization", "Bearer " .. jwt)
      }}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://origin;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Ports:
    """Where everything listens, on loopback."""

    origin: int
    proxy: int
    lua: int
    gateway: int
    gateway_admin: int


def render(kind: str, *, work: Path, port: int, values: dict[str, str], tls: bool) -> Path:
    """Write the configuration of `kind` (origin, proxy or lua) and return its path.

    The origin shares its core with the load; the peers get the core that the gateway gets too.
    """
    certificate = (
        f"ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem;"
        " ssl_protocols TLSv1.2 TLSv1.3;"
        if tls
        else ""
    )
    name = f"{kind}-tls" if tls else kind
    template = _HEAD + {"origin": _ORIGIN, "proxy": _PROXY, "lua": _LUA}[kind]
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
