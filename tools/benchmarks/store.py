"""Claims and completions a second through SQLite and PostgreSQL, durable against the death of a process or a loss of power."""
import argparse
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Name, run.store, workers, the least rate that is asked for.
TRIALS = [
    ("SQLite, 1 worker", "sqlite", 1, None),
    ("SQLite, 4 workers", "sqlite", 4, 1000),
    ("SQLite flushed, 1 worker", "sqlite-flushed", 1, None),
    ("SQLite flushed, 4 workers", "sqlite-flushed", 4, None),
    ("PostgreSQL, 4 workers", "postgres", 4, 500),
]


def measure(program, words, store):
    """What the program prints; with a server of its own for PostgreSQL, whose log is flushed to the disk."""
    command = [program, words[0], store, *map(str, words[1:])]
    if store == "postgres":
        quoted = " ".join([str(program), words[0], '"$ESPALIER_TEST_STORE"', *map(str, words[1:])])
        command = [ROOT / "tests/support/with_postgres", "bash", "-c", quoted]
    done = subprocess.run(command, text=True, capture_output=True, env={**os.environ, "ESPALIER_TEST_FSYNC": "on"})
    if done.returncode == 77:
        return None
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--list", type=int, default=100000, help="trials to list")
    arguments = parser.parse_args()
    program = arguments.build / "bin/espalier_bench_store"
    print(f"{'':28}{'trials/s':>10}{'asked':>8}{'claim ms':>10}{'p99':>9}{'most':>9}")
    for name, store, workers, asked in TRIALS:
        found = measure(program, ["trials", arguments.seconds, workers], store)
        if found is None:
            print(f"{name:28}{'no server is installed':>30}")
            continue
        print(f"{name:28}{found['rate']:10.0f}{asked or '':>8}{found['claim_ms']:10.2f}{found['claim_p99_ms']:9.2f}{found['claim_most_ms']:9.2f}", flush=True)
    found = measure(program, ["list", arguments.list], "sqlite")
    print(f"{arguments.list} trials listed in {found['list_seconds']:.2f} s (asked: 1 s)")


if __name__ == "__main__":
    main()
