"""Tuners and schedulers on recorded and synthetic searches, beside Optuna's recorded medians."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

from search_scores import lower_is_better, mean_ranks, quartiles, regret, short, verdict
from shipped import ROOT

MARKS = {"better": "+", "inside": "=", "worse": "−"}
TRIALS = [10, 25, 50, 100]
SYNTHETIC = ["branin", "hartmann6", "ackley10", "rosenbrock4", "cond3"]
BASELINES = {"yahpo_xgb_": "yahpo_rbv2_xgboost_"}  # what a baseline calls a task, and what its file is called


class Bench:
    """The program that searches, and the folder of recorded data."""

    def __init__(self, arguments):
        self.program = pathlib.Path(arguments.build) / "bin" / "espalier_bench_search"
        if not self.program.exists():
            raise SystemExit(f"'{self.program}' is not there: build it with tools/build -DESPALIER_BUILD_TESTS=ON")
        self.data = pathlib.Path(arguments.data)
        self.has_data = self.data.is_dir()
        if not self.has_data:
            print(f"'{self.data}' is not there: only synthetic functions are searched", file=sys.stderr)
        self.known = self.ask("list")

    def ask(self, what, **options):
        """Runs the program; `task=[...]` gives --task once for each."""
        command = [str(self.program), what, "--data", str(self.data)]
        for name, values in options.items():
            for value in values if isinstance(values, list) else [values]:
                command += [f"--{name}", str(value)]
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{self.program.name} {what} failed")
        return json.loads(done.stdout)

    def baseline(self, name):
        """The results of one of the recorded baselines, by the names of our tasks; empty where the data are absent."""
        file = self.data / f"baselines_{name}.json"
        return json.loads(file.read_text()) if file.exists() else {}


def renamed(results):
    """Results by task under the names of their files."""
    out = {}
    for task, values in results.items():
        for theirs, ours in BASELINES.items():
            task = task.replace(theirs, ours)
        out[task] = values
    return out


def chosen(wanted, known, usual):
    """What --tasks or --tuners name, or what is usual; a name that ends in * stands for all that begin so."""
    if wanted is None:
        return [name for name in usual if name in known]
    out = []
    for word in wanted.split(","):
        out += [name for name in known if name.startswith(word[:-1])] if word.endswith("*") else [word]
    return out


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def median_at(results, at, task):
    values = [lower_is_better(task, row[at]) for row in results["values"]]
    median = quartiles(values)[1]
    return -median if task["maximize"] else median


def single_table(found, optuna, tuners):
    """Medians after 25, 50 and 100 trials; marks say how they stand to Optuna's quartiles."""
    rows = []
    for name, task in found.items():
        recorded = optuna.get(name, {})
        row = [name]
        for kind in ("random", "tpe_multi"):
            row.append(" / ".join(short(value) for value in recorded[kind]["median"][1:]) if kind in recorded else "-")
        for tuner in tuners:
            cells = []
            for at in range(1, len(TRIALS)):
                median = median_at(task["tuners"][tuner], at, task)
                beside = recorded.get("random" if tuner == "random" else "tpe_multi")
                cells.append(short(median) + (MARKS[verdict(task, median, beside, at)] if beside else ""))
            row.append(" / ".join(cells))
        rows.append(row)
    return table(["task", "Optuna random", "Optuna TPE", *tuners], rows)


def rank_table(found, tuners):
    """Mean ranks and mean regrets over all tasks and seeds."""
    results = {name: (task, {tuner: task["tuners"][tuner]["values"] for tuner in tuners}) for name, task in found.items()}
    rank = [mean_ranks(results, tuners, at) for at in range(1, len(TRIALS))]
    rows = []
    for tuner in sorted(tuners, key=lambda name: rank[-1][name]):
        regrets = [statistics.fmean(regret(task, name, row[at]) for name, task in found.items() for row in task["tuners"][tuner]["values"])
                   for at in range(1, len(TRIALS))]
        rows.append([tuner, *(f"{r[tuner]:.2f}" for r in rank), *(f"{r:.4f}" for r in regrets)])
    return table(["tuner", *(f"rank at {n}" for n in TRIALS[1:]), *(f"regret at {n}" for n in TRIALS[1:])], rows)


def nas_table(found, recorded, tuners):
    """Mean accuracies on NAS-Bench tables beside recorded random search, evolution and local search."""
    rows = []
    for name, baseline in recorded.items():
        if name not in found:
            continue
        for kind in ("random", "regularized_evolution_P20_S5", "local_search_first_improvement"):
            rows.append([name, f"recorded {kind.split('_')[0]}", *(f"{v:.2f}" for v in baseline[kind]["mean"][:len(TRIALS)])])
        for tuner in tuners:
            values = found[name]["tuners"][tuner]["values"]
            rows.append([name, tuner, *(f"{statistics.fmean(column):.2f}" for column in zip(*values))])
    return table(["table", "search", *(f"mean at {n}" for n in TRIALS)], rows) if rows else ""


def branch_table(found, tuners):
    """Where the winners of cond3 are: the least value lies in branch B, most of the good ones in A."""
    if "cond3" not in found:
        return ""
    rows = []
    for tuner in tuners:
        winners = [settings.get("m") for settings in found["cond3"]["tuners"][tuner]["settings"]]
        rows.append([tuner, *(str(winners.count(branch)) for branch in "ABC")])
    return table(["tuner", "winners in A", "in B", "in C"], rows)


def gp_table(found, recorded):
    """The Gaussian process beside the recorded one, and ahead of TPE or not."""
    rows = []
    medians = renamed(recorded.get("median", {}))
    for name, task in found.items():
        if "gp" not in task["tuners"] or name not in medians:
            continue
        row = [name, " / ".join(short(value) for value in medians[name]), " / ".join(short(median_at(task["tuners"]["gp"], at, task)) for at in range(3))]
        row.append(short(median_at(task["tuners"]["tpe"], 1, task)) if "tpe" in task["tuners"] else "-")
        rows.append(row)
    return table(["task", "recorded GP at 10 / 25 / 50", "gp", "tpe at 25"], rows) if rows else ""


def single(bench, arguments):
    """Whole trainings, one after the other."""
    recorded = bench.baseline("optuna5")
    optuna = renamed(recorded.get("results", {}))
    tasks = chosen(arguments.tasks, bench.known["tasks"], list(optuna) or SYNTHETIC)
    tuners = chosen(arguments.tuners, bench.known["tuners"], [name for name in bench.known["tuners"] if name != "grid"])
    print(f"{len(tasks)} tasks, {len(tuners)} tuners, {arguments.seeds} seeds, {TRIALS[-1]} trials", file=sys.stderr)
    found = bench.ask("single", task=tasks, tuner=tuners, seeds=arguments.seeds, checkpoint=TRIALS)
    text = f"Median of the best of 25 / 50 / 100 trials, {arguments.seeds} seeds. Beside Optuna's quartiles (random beside random,\n"
    text += "all others beside TPE): + better, = inside, − worse.\n\n" + single_table(found, optuna, tuners)
    text += "\nMean rank and mean regret (0: the best there is, 1: what half of all configurations reach) over all tasks and seeds.\n\n"
    text += rank_table(found, tuners)
    for part in (nas_table(found, bench.baseline("nas").get("results", {}), tuners), branch_table(found, tuners),
                 gp_table(found, bench.baseline("gp"))):
        text += "\n" + part if part else ""
    return found, text


def parse():
    parser = argparse.ArgumentParser(prog="tools/bench search", description=__doc__)
    parser.add_argument("--tuners", help="names, with commas between them (all but grid)")
    parser.add_argument("--tasks", help="names, with commas between them; 'nasbench*' is all that begin so (those with a baseline)")
    parser.add_argument("--seeds", type=int, default=20, help="seeds, from 0 (20)")
    parser.add_argument("--json", help="file for all numbers")
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "data" / "hpo"), help="folder of recorded searches")
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    return parser.parse_args()


def main():
    arguments = parse()
    bench = Bench(arguments)
    found, text = single(bench, arguments)
    print(text)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({"single": found}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
