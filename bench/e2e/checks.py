"""Which check measures which promise."""

from checks_latency import check_p3, check_p6
from checks_memory import check_p5, check_p9
from checks_search import check_p7, check_p8
from checks_throughput import check_p1, check_p2
from checks_workers import check_p4

CHECKS = {"P1": check_p1, "P2": check_p2, "P3": check_p3, "P4": check_p4, "P5": check_p5,
          "P6": check_p6, "P7": check_p7, "P8": check_p8, "P9": check_p9}
