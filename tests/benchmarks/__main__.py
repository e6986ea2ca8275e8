"""Runs the benchmarks: `python -m tests.benchmarks`, or only some: `... store`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent


def main(wanted: list[str]) -> None:
    """Run each `bench_<name>.py` of this folder and print its figures."""
    names = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    if unknown := set(wanted) - set(names):
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    for name in wanted or names:
        for figure in import_module(f"tests.benchmarks.bench_{name}").run():
            print(figure, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
