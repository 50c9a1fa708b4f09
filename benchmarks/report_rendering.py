"""A yearly report of a district with 20 towns, in every format and language: at most 20 seconds.

Forty behaviours, each in every town and every month: the longest a year comes to. Asks no database;
`python -m benchmarks.report_rendering`.
"""

import sys
import time

from service.districts.rendering.formats import all_of, render
from tests.service.districts.report_contents import a_content, as_issued

TOWNS, BEHAVIOURS = 20, 40
SECONDS_MAX = 20


def main() -> int:
    behaviours = [(f"behaviour_{n}", f"低碳行为{n}", f"Behaviour {n}") for n in range(BEHAVIOURS)]
    issued = as_issued(a_content(towns=TOWNS, kind="year", behaviours=behaviours))
    started = time.perf_counter()
    for shape, language in all_of():
        begun = time.perf_counter()
        size = len(render(issued, shape, language))
        print(f"{shape:5} {language:6} {time.perf_counter() - begun:6.2f} s {size:>10,} bytes")
    taken = time.perf_counter() - started
    print(f"a year of {TOWNS} towns × {BEHAVIOURS} behaviours: {taken:.1f} s (max {SECONDS_MAX})")
    return int(taken > SECONDS_MAX)


if __name__ == "__main__":
    sys.exit(main())
