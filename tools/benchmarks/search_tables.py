# The tables of `tools/bench search`, in Markdown.
import statistics

from search_scores import lower_is_better, mean_ranks, quartiles, regret, short, verdict

MARKS = {"better": "+", "inside": "=", "worse": "−"}
GROUPS = {"taskset_": "TaskSet", "yahpo_lcbench_": "lcbench", "nb201_": "NB201", "mf_hartmann": "MF-Hartmann"}


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def median_at(results, at, task):
    median = quartiles([lower_is_better(task, row[at]) for row in results["values"]])[1]
    return -median if task["maximize"] else median


def single_table(found, optuna, tuners, trials):
    """Medians at every checkpoint but the first; marks say how they stand to Optuna's quartiles."""
    rows = []
    for name, task in found.items():
        recorded = optuna.get(name, {})
        row = [name]
        for kind in ("random", "tpe_multi"):
            row.append(" / ".join(short(value) for value in recorded[kind]["median"][1:]) if kind in recorded else "-")
        for tuner in tuners:
            beside = recorded.get("random" if tuner == "random" else "tpe_multi")
            cells = []
            for at in range(1, len(trials)):
                median = median_at(task["tuners"][tuner], at, task)
                cells.append(short(median) + (MARKS[verdict(task, median, beside, at)] if beside else ""))
            row.append(" / ".join(cells))
        rows.append(row)
    return table(["task", "Optuna random", "Optuna TPE", *tuners], rows)


def verdict_table(found, optuna, tuners, trials):
    """How often, over tasks and checkpoints, a median is better than Optuna's quartiles, inside, or worse."""
    rows = []
    for tuner in tuners:
        kind = "random" if tuner == "random" else "tpe_multi"
        counts = dict.fromkeys(MARKS, 0)
        for name, task in found.items():
            for at in range(1, len(trials)):
                if name not in optuna:
                    continue
                counts[verdict(task, median_at(task["tuners"][tuner], at, task), optuna[name][kind], at)] += 1
        rows.append([tuner, *(str(count) for count in counts.values())])
    return table(["tuner", *counts], rows)


def rank_table(found, tuners, trials):
    """Mean ranks and mean regrets over all tasks and seeds."""
    results = {name: (task, {tuner: task["tuners"][tuner]["values"] for tuner in tuners}) for name, task in found.items()}
    rank = [mean_ranks(results, tuners, at) for at in range(1, len(trials))]
    rows = []
    for tuner in sorted(tuners, key=lambda name: rank[-1][name]):
        rows_of = [(task, name, row) for name, task in found.items() for row in task["tuners"][tuner]["values"]]
        regrets = [statistics.fmean(regret(task, name, row[at]) for task, name, row in rows_of) for at in range(1, len(trials))]
        seconds = sum(task["tuners"][tuner]["seconds"] for task in found.values())
        count = trials[-1] * sum(len(task["tuners"][tuner]["values"]) for task in found.values())
        rows.append([tuner, *(f"{r[tuner]:.2f}" for r in rank), *(f"{r:.4f}" for r in regrets), f"{1e3 * seconds / count:.2f}"])
    header = ["tuner", *(f"rank at {n}" for n in trials[1:]), *(f"regret at {n}" for n in trials[1:]), "ms a proposal"]
    return table(header, rows)


def nas_table(found, recorded, tuners, trials):
    """Mean accuracies on NAS-Bench tables beside recorded random search, evolution and local search."""
    rows = []
    for name, baseline in recorded.items():
        if name not in found:
            continue
        for kind in ("random", "regularized_evolution_P20_S5", "local_search_first_improvement"):
            said = kind.removesuffix("_P20_S5").removesuffix("_first_improvement").replace("_", " ")
            rows.append([name, f"recorded {said}", *(f"{mean:.2f}" for mean in baseline[kind]["mean"][:len(trials)])])
        for tuner in tuners:
            values = found[name]["tuners"][tuner]["values"]
            rows.append([name, tuner, *(f"{statistics.fmean(column):.2f}" for column in zip(*values))])
    return table(["table", "search", *(f"mean at {n}" for n in trials)], rows) if rows else ""


def branch_table(found, tuners):
    """Where the winners of cond3 are: the least value lies in branch B, most of the good ones in A."""
    if "cond3" not in found:
        return ""
    rows = []
    for tuner in tuners:
        winners = [settings.get("m") for settings in found["cond3"]["tuners"][tuner]["settings"]]
        rows.append([tuner, *(str(winners.count(branch)) for branch in "ABC")])
    return table(["cond3", "winners in A", "in B", "in C"], rows)


def gp_table(found, medians, trials):
    """The Gaussian process beside the recorded one, and TPE at 25 trials."""
    rows = []
    for name, task in found.items():
        if "gp" not in task["tuners"] or name not in medians:
            continue
        ours = " / ".join(short(median_at(task["tuners"]["gp"], at, task)) for at in range(3))
        tpe = short(median_at(task["tuners"]["tpe"], 1, task)) if "tpe" in task["tuners"] else "-"
        rows.append([name, " / ".join(short(value) for value in medians[name]), ours, tpe])
    return table(["task", f"recorded GP at {trials[0]} / {trials[1]} / {trials[2]}", "gp", "tpe at 25"], rows) if rows else ""


def curve_regrets(task, name, results):
    """The mean regret at every budget, measured as the baselines are: against the best of all, at most 1."""
    columns = zip(*results["values"])
    return [statistics.fmean(regret(task, name, value, "sampled") for value in column) for column in columns]


def curves_table(found, recorded, budgets):
    """Mean regrets by group of tasks, player and number of workers; recorded ones are means over the same tasks."""
    groups = {label: [name for name in found if name.startswith(prefix)] for prefix, label in GROUPS.items()}
    groups = {label: names for label, names in groups.items() if names}
    rows = []
    for kind, label in (("rs", "recorded random, whole trainings"), ("asha_promo", "recorded random + ASHA")):
        cells = []
        for names in groups.values():
            known = [recorded[name][kind] for name in names if name in recorded]
            cells.append(" / ".join(f"{statistics.fmean(column):.3f}" for column in zip(*known)) if known else "-")
        rows.append([label, "1", *cells])
    players = {(player, workers) for task in found.values() for player, by in task["players"].items() for workers in by}
    for player, workers in sorted(players, key=lambda p: (p[0], int(p[1]))):
        cells = []
        for names in groups.values():
            regrets = [curve_regrets(found[name], name, found[name]["players"][player][workers]) for name in names]
            cells.append(" / ".join(f"{statistics.fmean(column):.3f}" for column in zip(*regrets)))
        rows.append([player, workers, *cells])
    budget = " / ".join(str(b) for b in budgets)
    return table(["search", "workers", *(f"{label}, {len(names)} at {budget}" for label, names in groups.items())], rows)


def early_table(found, players, baseline, budgets):
    """On how many tasks a player's regret at a budget of 5 is at most random search's at 20, and its mean beside."""
    at, late = budgets.index(5), budgets.index(20)
    rows = []
    for player, workers in players:
        pairs = {name: (curve_regrets(task, name, task["players"][player][workers])[at],
                        curve_regrets(task, name, task["players"][baseline]["1"])[late]) for name, task in found.items()}
        behind = [name for name, (ours, theirs) in pairs.items() if ours > theirs]
        ours, theirs = (statistics.fmean(column) for column in zip(*pairs.values()))
        rows.append([player, workers, f"{ours:.3f}", f"{theirs:.3f}", f"{len(pairs) - len(behind)} of {len(pairs)}",
                     ", ".join(behind) or "nowhere"])
    return table(["search", "workers", "regret at 5", f"{baseline} at 20", "at least as good", "behind"], rows)


def cost_table(ours, optuna, lengths):
    """Milliseconds of one proposal after so many trials of ten hyperparameters."""
    rows = [[tuner, *(f"{times[str(n)]:.2f}" if str(n) in times else "-" for n in lengths)] for tuner, times in ours.items()]
    rows += [[name, *(f"{times[str(n)]:.2f}" if str(n) in times else "-" for n in lengths)] for name, times in optuna.items()]
    return table(["ms a proposal", *(f"after {n}" for n in lengths)], rows)


def store_table(ours, theirs, version, checkpoints):
    """Milliseconds of a whole trial that trains nothing, through SQLite."""
    rows = [[f"{tuner}, our store", *(f"{times[str(n)]:.2f}" for n in checkpoints)] for tuner, times in ours.items()]
    if theirs:
        rows.append([f"Optuna {version}, TPE", *(f"{theirs[str(n)]:.2f}" for n in checkpoints)])
        for tuner, times in ours.items():
            rows.append([f"Optuna's over {tuner}'s", *(f"{theirs[str(n)] / times[str(n)]:.1f}" for n in checkpoints)])
    return table(["ms a trial, SQLite", *(f"to trial {n}" for n in checkpoints)], rows)
