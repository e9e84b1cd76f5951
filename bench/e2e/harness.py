"""Processes, single measurements and the machine record of the end-to-end benchmarks.

Python 3.11, standard library only. Every process is stopped by its own pid, also when the driver
is interrupted, and dies with the driver when that is killed.
"""

import ctypes
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class HarnessError(Exception):
    """Something that makes a measurement impossible; the text says what and why."""


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_start(pid: int) -> str | None:
    """The start time of a process, which with its pid names it for good; None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def descendants(pid: int) -> list[int]:
    """All processes below `pid`, nearest first."""
    found = [pid]
    for parent in found:
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found[1:]


def cpu_ns(pid: int) -> int:
    """CPU time of all living threads of a process, in nanoseconds."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


class Processes:
    """Everything that one run starts, with a folder for its files; use it as a context."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nexus-e2e-"))
        self._running: list[subprocess.Popen] = []

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        return self

    def __exit__(self, *_):
        for process in reversed(self._running[:]):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, arguments, core: int | None = None, **options) -> subprocess.Popen:
        """Starts a program, on one core when one is given; its stderr goes to a file."""
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}.log"

        def prepare():
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if core is not None:
                os.sched_setaffinity(0, {core})

        with log.open("wb") as sink:
            options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | options
            process = subprocess.Popen([str(part) for part in arguments], stderr=sink,
                                       preexec_fn=prepare, **options)
        process.log = log
        self._running.append(process)
        return process

    def stop(self, process: subprocess.Popen) -> list[int]:
        """Stops a program; the result names children that outlived it (they are killed then)."""
        children = [(pid, process_start(pid)) for pid in descendants(process.pid)]
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self._running:
            self._running.remove(process)
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()
        left = [pid for pid, start in children if start and process_start(pid) == start]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return left

    def write(self, name: str, text: str) -> pathlib.Path:
        """A file in the run's folder."""
        path = self.folder / name
        path.write_text(text)
        return path


def _interrupt(*_):
    raise KeyboardInterrupt


def http_status(port: int, path: str, timeout: float = 1.0) -> int:
    """The status of one GET; 0 when nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as peer:
            request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
            peer.sendall(request.encode())
            line = peer.makefile("rb").readline().split()
    except OSError:
        return 0
    return int(line[1]) if len(line) > 1 else 0


def wait_until(condition, process: subprocess.Popen, what: str, seconds: float = 10.0) -> float:
    """Waits for `condition`; the result is the time that took, in seconds."""
    begin = time.monotonic()
    while not condition():
        if process.poll() is not None:
            reason = process.log.read_text(errors="replace")[-2000:]
            raise HarnessError(f"{what} ended with status {process.returncode}: {reason}")
        if time.monotonic() - begin > seconds:
            raise HarnessError(f"{what} was not ready after {seconds:.0f} s")
        time.sleep(0.001)
    return time.monotonic() - begin


def listens(port: int) -> bool:
    """Whether a connection to the port succeeds."""
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


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


def run_load(program: pathlib.Path, core: int, url: str, watched=(), **options) -> dict:
    """One run of the load generator; keyword x_y becomes its option --x-y."""
    command = [str(program), "--url", url]
    for pid in watched:
        command += ["--watch-pid", str(pid)]
    for name, value in ({"era": "blind"} | options).items():
        command += ["--" + name.replace("_", "-"), str(value)]
    command += ["--format", "json", "--no-progress"]

    def prepare():
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})

    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                          preexec_fn=prepare)
    if not done.stdout:
        raise HarnessError(f"{' '.join(command)}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    if report["calls"] == 0 or report["errors"]:
        raise HarnessError(f"{url}: {report['calls']} calls, {report['errors']} errors, "
                           f"first: {report['first_error']}")
    if watched:
        report["cpu_us_per_call"] = sum(report["watched_cpu_us"]) / report["calls"]
        report["rss_mib"] = sum(report["watched_rss_bytes"]) / 2**20
    return report


def machine_record(build: pathlib.Path) -> dict:
    """What a figure depends on beside the programs: machine, kernel, commit, flags."""

    def output(*command):
        try:
            return subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True,
                                  check=False).stdout.strip()
        except OSError:
            return ""

    def first_line(path, key):
        try:
            lines = pathlib.Path(path).read_text().splitlines()
        except OSError:
            return ""
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")

    cache = {}
    if (build / "CMakeCache.txt").exists():
        for line in (build / "CMakeCache.txt").read_text().splitlines():
            name, equals, value = line.partition("=")
            cache[name.partition(":")[0]] = value if equals else ""
    build_type = cache.get("CMAKE_BUILD_TYPE", "")
    governor = pathlib.Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "cpu": first_line("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": first_line("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "governor": governor.read_text().strip() if governor.exists() else "not exposed",
        "load_average": os.getloadavg(),
        "commit": output("git", "rev-parse", "HEAD"),
        "tree_clean": output("git", "status", "--porcelain", "--untracked-files=no") == "",
        "build_type": build_type,
        "flags": cache.get("CMAKE_CXX_FLAGS_" + build_type.upper(), ""),
        "sanitizers": cache.get("NEXUS_SANITIZE", ""),
        "compiler": output(cache.get("CMAKE_CXX_COMPILER", "c++"), "--version").split("\n")[0],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
