"""The search benchmark on functions with few seeds: same bytes twice, and random draws where Optuna's lie.

Usage: check.py PROGRAM
"""
import json
import statistics
import subprocess
import sys

# Optuna 5.0.0.dev, RandomSampler, 20 seeds: quartiles of the best of 10, 25, 50 and 100 trials.
RECORDED = {"branin": ([2.677, 0.8553, 0.5618, 0.5337], [10.41, 4.232, 1.856, 1.134]),
            "hartmann6": ([-1.158, -1.648, -2.097, -2.390], [-0.4752, -0.9323, -1.367, -2.015])}


def ask(program, *words):
    return subprocess.run([program, *words], text=True, stdout=subprocess.PIPE, check=True).stdout


def main():
    program = sys.argv[1]
    tuners = json.loads(ask(program, "list"))["tuners"]
    words = [word for tuner in tuners for word in ("--tuner", tuner)]
    words = ["single", "--task", "branin", "--task", "cond3", *words, "--seeds", "2", "--checkpoint", "10", "--checkpoint", "20"]
    first, second = (ask(program, *words, "--threads", threads) for threads in ("1", "2"))
    strip = lambda text: [(task, tuner, found["values"], found["settings"])  # noqa: E731  times differ
                          for task, results in json.loads(text).items() for tuner, found in results["tuners"].items()]
    assert strip(first) == strip(second), "two runs differ"
    for task, tuner, values, _ in strip(first):
        assert all(late <= early for early, late in values), f"{tuner} on {task} forgets its best"

    words = ["single", "--tuner", "random", "--seeds", "20"]
    words += [word for n in (10, 25, 50, 100) for word in ("--checkpoint", str(n))]
    found = json.loads(ask(program, *words, *(word for task in RECORDED for word in ("--task", task))))
    for task, (low, high) in RECORDED.items():
        for n, column, least, most in zip((10, 25, 50, 100), zip(*found[task]["tuners"]["random"]["values"]), low, high):
            median, room = statistics.median(column), (most - least) / 2
            assert least - room <= median <= most + room, f"random on {task}: {median} after {n} trials, Optuna {least} to {most}"

    words = ["--tuner", "random", "--scheduler", "none", "--workers", "1", "--workers", "4", "--seeds", "3", "--checkpoint", "8"]
    curves = json.loads(ask(program, "curves", "--task", "mf_hartmann6", *words))
    for workers, result in curves["mf_hartmann6"]["players"]["random + none"].items():
        assert all(8 <= complete <= 8 + int(workers) for complete in result["complete"]), f"{workers} workers: {result}"
    print(f"{len(tuners)} tuners give the same twice; random draws are where they should be")


if __name__ == "__main__":
    main()
