"""Who is compared in P1 to P3, and what is missing for that."""

from candidates import Candidate, Setup, http_server

REACTORS = ("io_uring", "epoll")


def stop_all(setup: Setup, candidates):
    """Stops the processes of these candidates."""
    for candidate in candidates:
        if candidate.process:
            setup.processes.stop(candidate.process)


def start_field(setup: Setup, port: int) -> list[Candidate]:
    """Everything that P1 to P3 compare, in front of one echo server."""
    found = [Candidate("direct", f"http://127.0.0.1:{port}/mcp"),
             *(setup.start_relay(port, reactor) for reactor in REACTORS),
             *(setup.start_proxy(name, port) for name in ("nginx", "haproxy"))]
    found += [setup.start_nexus(f"nexus, {reactor}", {"b1": http_server(port)}, reactor)
              for reactor in REACTORS]
    return [candidate for candidate in found if candidate]


def nexus_names(reports) -> list[str]:
    """The product's rows."""
    return [name for name in reports if name.startswith("nexus")]


def missing_peer(reports) -> str | None:
    """Why a comparison of nexus with nginx is impossible, or None."""
    if not nexus_names(reports):
        return "nexus is not there"
    return None if "nginx" in reports else "NGINX IS MISSING"
