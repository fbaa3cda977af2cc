"""Tuners and schedulers on recorded and synthetic searches, and what they cost, beside Optuna."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import search_asked
import search_optuna
import search_tables
from shipped import ROOT

PARTS = ["single", "curves", "cost"]
TRIALS = [10, 25, 50, 100]
BUDGETS = [3, 5, 10, 20]  # in full trainings
FUNCTIONS = ["branin", "hartmann6", "ackley10", "rosenbrock4", "cond3"]
INSTANCES = ["yahpo_lcbench_167168", "yahpo_lcbench_189873", "yahpo_lcbench_189906"]
NAMES = {"yahpo_xgb_": "yahpo_rbv2_xgboost_", "imdb_": "taskset_imdb_", "lcbench_": "yahpo_lcbench_"}  # baselines' names and ours
README = ROOT / "plugins" / "tuners" / "README.md"
MARKERS = ("<!-- made by tools/bench search --write -->", "<!-- end of what tools/bench search wrote -->")


class Bench:
    """The program that searches, and the folder of recorded data."""

    def __init__(self, arguments):
        self.program = pathlib.Path(arguments.build) / "bin" / "espalier_bench_search"
        if not self.program.exists():
            raise SystemExit(f"'{self.program}' is not there: build it with tools/build -DESPALIER_BUILD_TESTS=ON")
        self.data = pathlib.Path(arguments.data)
        if not self.data.is_dir():
            print(f"'{self.data}' is not there: only synthetic functions are searched, beside nothing", file=sys.stderr)
        self.known = self.ask("list")

    def ask(self, what, **options):
        """Runs the program; `task=[...]` gives --task once for each."""
        command = [str(self.program), what, "--data", str(self.data)]
        for name, values in options.items():
            for value in values if isinstance(values, list) else [values]:
                command += [f"--{name}", str(value)]
        begin = time.perf_counter()
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{self.program.name} {what} failed")
        if what != "list":
            print(f"{what}: {time.perf_counter() - begin:.0f} s", file=sys.stderr)
        return json.loads(done.stdout)

    def baseline(self, name, key):
        """What was recorded, by the names of our tasks; empty where the data are absent."""
        file = self.data / f"baselines_{name}.json"
        if not file.exists():
            return {}
        return {ours(task): values for task, values in json.loads(file.read_text())[key].items()}


def ours(task):
    for theirs, here in NAMES.items():
        if task.startswith(theirs):
            return here + task.removeprefix(theirs)
    return task


def chosen(wanted, known, usual):
    """What --tasks or --tuners name, or what is usual and there; a name that ends in * stands for all that begin so."""
    if wanted is None:
        return [name for name in usual if name in known]
    out = []
    for word in wanted.split(","):
        out += [name for name in known if name.startswith(word[:-1])] if word.endswith("*") else [word]
    return out


def single(bench, arguments):
    """Whole trainings, one after the other."""
    known, optuna = bench.known, bench.baseline("optuna5", "results")
    tasks = chosen(arguments.tasks, known["tasks"], list(optuna) or FUNCTIONS)
    tuners = chosen(arguments.tuners, known["tuners"], [name for name in known["tuners"] if arguments.full or name != "grid"])
    if arguments.tasks:
        tasks = [name for name in tasks if not name.startswith(("taskset_", "nb201_", "mf_"))]
    if not tasks:
        return {}, "", []
    absent = [name for name in optuna if name not in known["tasks"]]
    if absent and arguments.tasks is None:
        print(f"recorded but not here, and so left out: {', '.join(absent)}", file=sys.stderr)
    seeds = arguments.seeds or (20 if arguments.full else 10)
    found = bench.ask("single", task=tasks, tuner=tuners, seeds=seeds, checkpoint=TRIALS)
    text = f"""### Whole trainings

Median of the best of 25 / 50 / 100 trials, {seeds} seeds. The first trial of every study is a random draw. Beside Optuna's
recorded quartiles (random beside random, all others beside TPE): + better, = inside, − worse.

{search_tables.single_table(found, optuna, tuners, TRIALS)}
"""
    if optuna:
        text += search_tables.verdict_table(found, optuna, tuners, TRIALS) + "\n"
    text += f"""Mean rank and mean regret over {len(found)} tasks and all seeds. Regret: 0 is the best there is, 1 what half of
the configurations reach, of hpolib in the logarithm.

{search_tables.rank_table(found, tuners, TRIALS)}
"""
    nas, gp = bench.baseline("nas", "results"), bench.baseline("gp", "median")
    for part in (search_tables.nas_table(found, nas, tuners, TRIALS), search_tables.branch_table(found, tuners),
                 search_tables.gp_table(found, gp, TRIALS)):
        text += part + "\n" if part else ""
    return found, text, search_asked.single_rows(found, optuna, nas, TRIALS)


def merge(into, more):
    for task, entry in more.items():
        for player, by_workers in entry["players"].items():
            into.setdefault(task, entry)["players"].setdefault(player, {}).update(by_workers)


def curves(bench, arguments):
    """Trainings that can pause and go on, for one worker and several."""
    known = bench.known
    usual = [name for name in known["tasks"] if name.startswith(("taskset_", "nb201_"))] + INSTANCES + ["mf_hartmann6"]
    usual += [name for name in known["tasks"] if arguments.full and name.startswith("mf_hartmann6_")]
    tasks = chosen(arguments.tasks, known["tasks"], usual)
    tasks = [name for name in tasks if name.startswith(("taskset_", "nb201_", "yahpo_lcbench_", "mf_"))]
    if not tasks:
        return {}, "", []
    named = [] if arguments.tuners is None else chosen(arguments.tuners, known["tuners"], [])
    tuners = named or ["random", "auto"]
    schedulers = [name for name in known["schedulers"] if name != "none" and (arguments.full or name in ("asha", "auto"))]
    seeds = arguments.seeds or (30 if arguments.full else 5)
    common = {"task": tasks, "seeds": seeds, "checkpoint": BUDGETS}
    found = bench.ask("curves", tuner="random", scheduler="none", workers=1, **common)
    several = "asha" if "asha" in schedulers else "auto"
    merge(found, bench.ask("curves", tuner=tuners, scheduler=several, workers=1, **common))
    others = [name for name in schedulers if name != several]
    if others:
        merge(found, bench.ask("curves", tuner=tuners if arguments.full else tuners[-1], scheduler=others, workers=1, **common))
    merge(found, bench.ask("curves", tuner=tuners, scheduler=several, workers=[4, 8], **common))
    players = [(f"{tuner} + {several}", workers) for tuner in tuners for workers in ("1", "4", "8")]
    text = f"""### Trainings that pause and go on

Mean regret of the incumbent (what it reaches when trained to its end; 0: the best, 1: what half of all configurations reach)
after 3 / 5 / 10 / 20 full trainings of all workers together, {seeds} seeds. Going on costs only the new epochs; several
workers are simulated, and the time they wait counts.

{search_tables.curves_table(found, bench.baseline("mf", "results"), BUDGETS)}
{search_tables.early_table(found, players, "random + none", BUDGETS)}
"""
    return found, text, search_asked.curve_rows(found, several, BUDGETS)


def cost(bench, arguments):
    """Time of proposals and of whole trials that train nothing; with --full, memory."""
    known = bench.known["tuners"]
    tuners = chosen(arguments.tuners, known, [name for name in known if name != "grid"])
    optuna = None if arguments.no_optuna else search_optuna.load()
    if optuna is None and not arguments.no_optuna:
        print("Optuna is not installed (build/venv/bin/pip install optuna): it is left out of the costs", file=sys.stderr)
    found = {"proposals": bench.ask("proposals", tuner=tuners, checkpoint=[100, 200, 1000])}
    version = optuna.__version__ if optuna else ""
    theirs = {}
    if optuna:
        theirs[f"Optuna {version}, TPE"] = search_optuna.proposal_times(optuna, [100, 200, 1000], 15)
    checkpoints = [100, 500] if arguments.full else [100, 200]
    through = [name for name in ("random", "tpe", "auto") if name in tuners]
    with tempfile.TemporaryDirectory() as folder:
        found["store"] = bench.ask("store", tuner=through, checkpoint=checkpoints, folder=folder)
        found["optuna_store"] = search_optuna.store_times(optuna, folder, checkpoints) if optuna else {}
        if arguments.full:
            quick = min(found["proposals"], key=lambda tuner: found["proposals"][tuner]["1000"])
            found["memory"] = bench.ask("memory", tuner=quick, checkpoint=[1000, 5000, 10000], folder=folder)[quick]
    found["optuna_proposals"] = theirs
    text = f"""### Cost

Milliseconds on this machine ({processor()}), ten hyperparameters.

{search_tables.cost_table(found["proposals"], theirs, [100, 200, 1000])}
{search_tables.store_table(found["store"], found["optuna_store"], version, checkpoints)}
"""
    if arguments.full:
        said = ", ".join(f"{size:.0f} MiB after {n} trials" for n, size in found["memory"].items())
        text += f"Resident memory of a study through the store: {said}.\n\n"
    return found, text, search_asked.cost_rows(found)


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unknown'}, {len(os.sched_getaffinity(0))} cores"


def write(text):
    """Puts the tables between the two marks of the README, at its end where it has none."""
    old = README.read_text() if README.exists() else "# Tuners\n\n"
    before, _, rest = old.partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2] or "\n"
    README.write_text(f"{before}{MARKERS[0]}\n\n{text}\n{MARKERS[1]}{after}")


def parse():
    parser = argparse.ArgumentParser(prog="tools/bench search", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more seeds, all tuners, schedulers and functions, and memory")
    parser.add_argument("--tuners", help="names, with commas between them (all but grid)")
    parser.add_argument("--tasks", help="names, with commas between them; 'nasbench*': all that begin so (those with a baseline)")
    parser.add_argument("--parts", default=",".join(PARTS), help="single (whole trainings), curves (pausing ones), cost (all)")
    parser.add_argument("--seeds", type=int, help="seeds, from 0 (10, of curves 5; with --full 20 and 30)")
    parser.add_argument("--json", help="file for all numbers")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {README.relative_to(ROOT)}")
    parser.add_argument("--no-optuna", action="store_true", help="do not time Optuna")
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "data" / "hpo"), help="folder of recorded searches")
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    arguments = parser.parse_args()
    if arguments.write and (arguments.tuners or arguments.tasks or arguments.parts != ",".join(PARTS)):
        parser.error("--write is for all tasks, tuners and parts")
    return arguments


def main():
    arguments = parse()
    bench = Bench(arguments)
    begin = time.perf_counter()
    numbers, texts, asked = {}, [], []
    for part in arguments.parts.split(","):
        if part not in PARTS:
            raise SystemExit(f"'{part}' is no part: {', '.join(PARTS)}")
        numbers[part], text, rows = {"single": single, "curves": curves, "cost": cost}[part](bench, arguments)
        print(text, flush=True)
        texts.append(text)
        asked += rows
    texts.append(search_asked.asked_table(asked))
    print(texts[-1])
    print(f"all of it: {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(numbers, indent=1))
    if arguments.write:
        write(texts[-1] + "".join(texts[:-1]))


if __name__ == "__main__":
    sys.exit(main())
