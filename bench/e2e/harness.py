"""Processes, single measurements and the machine record of the end-to-end benchmarks.

Python 3.11, standard library only. Every process is stopped by its own pid, also when the driver
is interrupted, and dies with the driver when that is killed.
"""

import contextlib
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
        self.stop_all()
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

    def stop_all(self):
        """Stops everything that still runs, the newest first."""
        for process in reversed(self._running[:]):
            self.stop(process)

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


def core_ticks() -> dict[int, tuple[int, int]]:
    """Busy and total time of each core since boot, in ticks. Waiting for a disk is not busy."""
    out = {}
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(field) for field in fields[:8]]
            out[int(name[3:])] = (sum(ticks) - ticks[3] - ticks[4], sum(ticks))
    return out


def busy_shares(before: dict, after: dict) -> dict[str, float]:
    """How busy each core was between two readings, 0 to 1, whoever kept it so."""
    return {str(core): round((busy - before[core][0]) / max(total - before[core][1], 1), 3)
            for core, (busy, total) in after.items() if core in before}


def rss_kib(pid: int) -> int:
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@contextlib.contextmanager
def on_cores(cores):
    """Runs the block, which is a client itself, on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _padded(options: dict):
    """The options with a workload in place of `padding_bytes`: one call whose text is so long."""
    options = dict(options)
    size = options.pop("padding_bytes", None)
    if size is None:
        yield options
        return
    call = {"op": "call", "tool": options.pop("tool", "echo"), "bytes": size,
            "arguments": {"text": "$ID $PAD"}}
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="ascii") as file:
        json.dump({"operations": [call]}, file)
        file.flush()
        yield options | {"workload": file.name}


def run_load(program: pathlib.Path, core: int | None, url: str, watched=(), servers=(),
             **options) -> dict:
    """One run of the load generator; keyword x_y becomes its option --x-y, without a value when it
    is True, but `padding_bytes` the length of the text that each call carries.

    The report has CPU time per call of the gateway (`watched`), the load and the `servers`, and
    how busy each core was from the start of the load generator to its end.
    """
    command = [str(program), "--url", url, "--format", "json", "--no-progress"]
    for pid in (*watched, *servers):
        command += ["--watch-pid", str(pid)]

    def prepare():
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if core is not None:
            os.sched_setaffinity(0, {core})

    with _padded({"era": "blind"} | options) as given:
        for name, value in given.items():
            command += ["--" + name.replace("_", "-")] + ([] if value is True else [str(value)])
        before = core_ticks()
        done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              check=False, preexec_fn=prepare)
    cores = busy_shares(before, core_ticks())
    if not done.stdout:
        raise HarnessError(f"{' '.join(command)[:2000]}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    if report["calls"] == 0 or report["errors"]:
        raise HarnessError(f"{url}: {report['calls']} calls, {report['errors']} errors, "
                           f"first: {report['first_error']}")
    calls, used = report["calls"], report["watched_cpu_us"]
    report["core_busy"] = cores
    report["load_us_per_call"] = report["own_cpu_us"] / calls
    if servers:
        report["servers_us_per_call"] = sum(used[len(watched):]) / calls
    if watched:
        report["cpu_us_per_call"] = sum(used[:len(watched)]) / calls
        report["rss_mib"] = sum(report["watched_rss_bytes"][:len(watched)]) / 2**20
    return report


def compile_flags(build: pathlib.Path) -> str:
    """How the product's main file is compiled: what changes its code, without folders."""
    try:
        entries = json.loads((build / "compile_commands.json").read_text())
    except OSError:
        return ""
    command = next((entry["command"] for entry in entries
                    if entry["file"].endswith("/src/main.cpp")), "")
    kinds = ("-O", "-g", "-f", "-m", "-std", "-D")
    return " ".join(part for part in command.split()
                    if part.startswith(kinds) and "/" not in part)


def machine_record(build: pathlib.Path) -> dict:
    """What a figure depends on beside the programs: machine, kernel, commit, flags."""

    cache = {}
    if (build / "CMakeCache.txt").exists():
        for line in (build / "CMakeCache.txt").read_text().splitlines():
            name, equals, value = line.partition("=")
            cache[name.partition(":")[0]] = value if equals else ""
    source = cache.get("CMAKE_HOME_DIRECTORY", _REPOSITORY)

    def output(*command):
        try:
            return subprocess.run(command, cwd=source, capture_output=True, text=True,
                                  check=False).stdout.strip()
        except OSError:
            return ""

    def first_line(path, key):
        try:
            lines = pathlib.Path(path).read_text().splitlines()
        except OSError:
            return ""
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")

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
        "flags": compile_flags(build),
        "sanitizers": cache.get("NEXUS_SANITIZE", ""),
        "compiler": output(cache.get("CMAKE_CXX_COMPILER", "c++"), "--version").split("\n")[0],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
