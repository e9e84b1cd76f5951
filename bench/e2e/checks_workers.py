"""P4: what a second worker adds."""

import pathlib
import statistics

from candidates import Setup, http_server, series, table
from field import stop_all
from outcome import Outcome

_PROMISED = 1.7


def _worker_times(pid: int) -> dict[str, int]:
    """CPU time of every thread that lives, in nanoseconds."""
    times = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        times[task.name] = int((task / "schedstat").read_text().split()[0])
    return times


def _busiest_share(before: dict[str, int], after: dict[str, int]) -> float:
    """The part of the process's work that its busiest thread did."""
    used = [after[name] - before.get(name, 0) for name in after]
    return max(used) / max(sum(used), 1)


def check_p4(setup: Setup) -> Outcome:
    """Capacity of two workers against one, from CPU per call and how the work is shared.

    Load and servers take more CPU than the gateway, so that two cores cannot show what two workers
    do with a core each. What can be measured: CPU per call with one and with two workers, and the
    share of the busiest worker thread. That thread is the limit, so a gateway with a core for each
    worker serves 1 / (CPU per call x busiest share) calls a second. It does not show what workers
    would wait for each other, for waiting takes no CPU.
    """
    out = Outcome()
    if setup.nexus is None:
        out.skip("P4", "two workers against one", f">= {_PROMISED} x", "nexus is not there")
        return out
    # Both may use every core, as load and servers do: the same competition for both.
    servers = {"b1": http_server(setup.start_echo())}
    reports, shares = {}, {}
    fields = {workers: setup.start_nexus(f"nexus, {workers} workers", servers, workers=workers,
                                         pinned=False) for workers in (1, 2)}
    for _ in range(setup.rounds):
        for workers, nexus in fields.items():
            before = _worker_times(nexus.process.pid)
            got = setup.measure([nexus], rounds=1, pinned=False, connections=128,
                                era=setup.eras[-1])
            share = _busiest_share(before, _worker_times(nexus.process.pid))
            reports.setdefault(nexus.name, []).extend(got[nexus.name])
            shares.setdefault(workers, []).append(share)
    stop_all(setup, fields.values())
    setup.stop_echoes()
    one, two = (series(reports[fields[workers].name], "cpu_us_per_call") for workers in (1, 2))
    each = [cpu_1 * share_1 / max(cpu_2 * share_2, 1e-9)
            for cpu_1, share_1, cpu_2, share_2 in zip(one, shares[1], two, shares[2])]
    out.reports |= {"P4": reports, "P4 busiest share": shares, "P4 ratio": each}
    out.tables.append(table("P4: 128 connections, gateway, load and servers share all cores",
                            reports, base=fields[1].name))
    out.tables.append(
        f"P4: the busiest thread of two workers did {statistics.median(shares[2]) * 100:.0f} % of "
        "the gateway's work (50 % is even). LIMITED: the ratio below is worked out from CPU per "
        "call and that share, because load and servers run on the same cores.\n")
    out.check("P4", "two workers against one, worked out from CPU time", statistics.median(each),
              _PROMISED, " x", at_least=True, values=each)
    return out
