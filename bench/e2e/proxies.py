"""nginx and HAProxy as blind proxies with equal settings: one thread, no log, kept connections."""

import os
import pathlib
import shutil
import subprocess

from harness import HarnessError

_DEBIAN_PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy"}


def nginx_config(folder: pathlib.Path, port: int, server_port: int) -> str:
    """One worker, no log, connections kept alive on both sides: the settings of promise P1."""
    places = "".join(f"  {kind}_temp_path {folder}/nginx-{kind};\n"
                     for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.err;
events {{ worker_connections 8192; }}
http {{
{places}  access_log off;
  keepalive_requests 100000000;
  upstream server {{
    server 127.0.0.1:{server_port};
    keepalive 1024;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


def haproxy_config(port: int, server_port: int) -> str:
    """One thread, no log, connections kept and shared: the same work as nginx's."""
    return f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 10s
  timeout client 300s
  timeout server 300s
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  default_backend servers
backend servers
  server echo 127.0.0.1:{server_port} pool-max-conn 1024
"""


def find_proxy(name: str, given: str | None) -> str | None:
    """The program to run; Debian keeps both outside the usual path."""
    if given:
        if not os.access(given, os.X_OK):
            raise HarnessError(f"--{name}: cannot run {given}")
        return given
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def missing_text(name: str) -> str:
    """What to print when a proxy is not there."""
    return (f"{name.upper()} IS MISSING: its rows and every check against it are skipped. "
            f"Install {_DEBIAN_PACKAGES[name]} or give --{name}.")


def version_of(program: str | None) -> str:
    """What a proxy says it is."""
    if not program:
        return "missing"
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]
