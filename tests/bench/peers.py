"""The servers that a bench run compares: how each is configured, started, measured and ended."""
# SPDX-License-Identifier: Apache-2.0
# Everything listens on 127.0.0.1 and has one worker. CPU is the time on a processor of a process,
# its threads and its children in nanoseconds (/proc/PID/task/*/schedstat; a tick of /proc/PID/stat
# is 10 ms, too coarse for a paced run). Each server is ended by its own process id.
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

NGINX = """daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream sink {{
        server 127.0.0.1:{sink};
        keepalive 128;
        keepalive_requests 1000000000;
        keepalive_time 24h;
    }}
    server {{
        listen 127.0.0.1:{port} http2 backlog=4096;
        keepalive_requests 1000000000;
        keepalive_time 24h;
        keepalive_timeout 1h;
        location / {{ grpc_pass grpc://sink; grpc_read_timeout 1h; grpc_send_timeout 1h; }}
    }}
}}
"""

# HTTP/1.1 to another nginx, which reads the body and answers 200 (the whole body is buffered first, as
# nginx does by default).
NGINX_HTTP = """daemon off;
worker_processes 1;
pid {dir}/{name}.pid;
error_log {dir}/{name}.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    client_body_temp_path {dir}/{name}-body;
    proxy_temp_path {dir}/{name}-proxy;
    fastcgi_temp_path {dir}/{name}-fastcgi;
    uwsgi_temp_path {dir}/{name}-uwsgi;
    scgi_temp_path {dir}/{name}-scgi;
    upstream sink {{
        server 127.0.0.1:{sink};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        keepalive_requests 1000000000;
        location / {{ {action} }}
    }}
}}
"""

HAPROXY = """global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    http-reuse always
frontend agents
    bind 127.0.0.1:{port} proto h2
    default_backend sink
backend sink
    server sink 127.0.0.1:{sink} proto h2
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children_of(pid):
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            for child in (task / "children").read_text().split():
                found += children_of(int(child))
        except OSError:
            pass
    return found


class Server:
    """One process that listens; port is where the driver connects."""

    def __init__(self, name, command, port, workdir, env=None):
        self.name, self.port = name, port
        self.log = open(pathlib.Path(workdir) / f"{name}.{port}.log", "ab")
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=workdir,
            env=env)

    def wait_listening(self, timeout_s=20):
        """Seconds from exec to the first accepted connection."""
        end = self.started_at + timeout_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return time.monotonic() - self.started_at
            except OSError:
                time.sleep(0.0005)
        raise RuntimeError(f"{self.name} does not listen; its log:\n{self.log_text()}")

    def log_text(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")[-4000:]

    def cpu_s(self):
        total_ns = 0
        for pid in children_of(self.process.pid):
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
                try:
                    total_ns += int((task / "schedstat").read_text().split()[0])
                except OSError:
                    pass
        return total_ns / 1e9

    def resident_kib(self):
        total = 0
        for pid in children_of(self.process.pid):
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                for pid in reversed(children_of(self.process.pid)):
                    os.kill(pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()


def null_sink(binary, workdir, walk=False):
    port = free_port()
    command = [binary, "--port", str(port)] + (["--walk"] if walk else [])
    return Server("sink-walk" if walk else "sink", command, port, workdir)


def nginx(sink, workdir):
    port = free_port()
    path = pathlib.Path(workdir) / "nginx.conf"
    path.write_text(NGINX.format(dir=workdir, port=port, sink=sink))
    return Server("nginx", ["nginx", "-p", workdir, "-e", f"{workdir}/nginx.log", "-c", str(path)],
                  port, workdir)


def nginx_http(name, workdir, sink=None):
    """A reverse proxy to the sink or, without one, what answers 200 to all."""
    port = free_port()
    path = pathlib.Path(workdir) / f"{name}.conf"
    action = "proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection '';" \
        if sink else "return 200 '{}';"
    path.write_text(NGINX_HTTP.format(dir=workdir, name=name, port=port, sink=sink or 9, action=action))
    return Server(name, ["nginx", "-p", workdir, "-e", f"{workdir}/{name}.log", "-c", str(path)], port,
                  workdir)


def haproxy(sink, workdir):
    port = free_port()
    path = pathlib.Path(workdir) / "haproxy.cfg"
    path.write_text(HAPROXY.format(port=port, sink=sink))
    return Server("haproxy", ["haproxy", "-db", "-f", str(path)], port, workdir)


def nghttpx(sink, workdir):
    port = free_port()
    return Server("nghttpx", [
        "nghttpx", f"--frontend=127.0.0.1,{port};no-tls", f"--backend=127.0.0.1,{sink};;proto=h2",
        "--workers=1", "--conf=/dev/null", "--accesslog-file=", "--backlog=4096",
        "--worker-frontend-connections=0", "--frontend-http2-read-timeout=3600",
    ], port, workdir)


PROXIES = {"nginx": nginx, "haproxy": haproxy, "nghttpx": nghttpx}


def installed_proxies():
    """Those of the three that this machine has, and the names of those it lacks."""
    where = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ["PATH"] = where
    have = {n: f for n, f in PROXIES.items() if shutil.which(n)}
    return have, [n for n in PROXIES if n not in have]


def spangate(binary, workdir, name, settings):
    """`spangate serve` with one worker, in memory; settings are more --set pairs."""
    port = free_port()
    pairs = {
        "listen.grpc.address": f"127.0.0.1:{port}",
        "listen.http.address": "",
        "telemetry.address": f"127.0.0.1:{free_port()}",
        "admin.address": "",
        "limits.workers": "1",
        "buffer.mode": "memory",
        "integrity.mode": "enforce",
        "log.level": "warn",
    }
    pairs.update(settings)
    command = [binary, "serve"]
    for key, value in pairs.items():
        command += ["--set", f"{key}={value}"]
    server = Server(name, command, port, workdir)
    server.telemetry = int(pairs["telemetry.address"].rsplit(":", 1)[1])
    return server
