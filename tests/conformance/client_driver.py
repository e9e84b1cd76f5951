#!/usr/bin/env python3
"""client_driver.py CLIENT_SCRIPT URL

The command that the suite takes for a client: a gateway with the suite's server at URL behind it,
and an SDK client in front that plays the scenario. The exit code is the client's."""

import subprocess
import sys

from suite import NODE
from support.nexus_process import Nexus


def main(script, url):
    # Most scenarios are over once the handshake and one call are; a server of the suite that
    # misbehaves on purpose never gets ready, and the client shall see what the gateway makes of it.
    with Nexus({"peer": {"url": url}}, config={"names": "bare"}) as gateway:
        try:
            gateway.wait_servers(timeout=5)
        except AssertionError as late:
            print(late, file=sys.stderr)
        done = subprocess.run([NODE, script, f"{gateway.url}/mcp"], check=False)
        print("\n".join(gateway.log()), file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
