# What the search is held to, and whether the numbers of a run meet it.
import statistics

from search_scores import lower_is_better, mean_ranks, short, verdict
from search_tables import curve_regrets, median_at, table

GP_AT_50 = {"branin": 0.41, "hartmann6": -3.1}
GP_AHEAD = ["branin", "hartmann6", "hpolib_protein_structure"]  # and every lcbench
LOCAL_SEARCH = "local_search_first_improvement"


def verdicts(found, optuna, tuner, kind, trials):
    """Where the medians of a tuner are worse than the recorded quartiles, and how many there are."""
    pairs = [(name, at) for name in found if name in optuna for at in range(1, len(trials))]
    worse = [f"{name} at {trials[at]}" for name, at in pairs
             if verdict(found[name], median_at(found[name]["tuners"][tuner], at, found[name]), optuna[name][kind], at) == "worse"]
    return worse, len(pairs)


def row(asked, found, met):
    return [asked, found, "yes" if met else "no"]


def counted(count, exceptions):
    return f"{count - len(exceptions)} of {count}" + (f"; not {', '.join(exceptions)}" if exceptions else "")


def single_rows(found, optuna, nas, trials):
    tuners = list(next(iter(found.values()))["tuners"])
    rows = []
    for tuner, kind, asked in (("random", "random", "random inside Optuna's quartiles, or better"),
                               ("tpe", "tpe_multi", "TPE inside Optuna's quartiles, or better")):
        if tuner in tuners and optuna:
            worse, count = verdicts(found, optuna, tuner, kind, trials)
            rows.append(row(asked, counted(count, worse), not worse))
    median = lambda tuner, name, at: median_at(found[name]["tuners"][tuner], at, found[name])  # noqa: E731
    if "gp" in tuners:
        for name, most in GP_AT_50.items():
            if name in found:
                value = median("gp", name, 2)
                rows.append(row(f"gp on {name} at 50: at most {most}", short(value), value <= most))
    if {"gp", "tpe"} <= set(tuners):
        names = [name for name in found if name in GP_AHEAD or name.startswith("yahpo_lcbench")]
        behind = [name for name in names
                  if lower_is_better(found[name], median("gp", name, 1)) > lower_is_better(found[name], median("tpe", name, 1))]
        said = counted(len(names), behind)
        rows.append(row("gp ahead of tpe at 25 on branin, hartmann6, protein and lcbench", said, not behind))
    return rows + auto_rows(found, nas, tuners, trials)


def auto_rows(found, nas, tuners, trials):
    rows = []
    if "auto" in tuners:
        results = {name: (task, {tuner: task["tuners"][tuner]["values"] for tuner in tuners}) for name, task in found.items()}
        for at in range(1, len(trials)):
            ranks = mean_ranks(results, tuners, at)
            best = min((name for name in tuners if name != "auto"), key=ranks.get, default="auto")
            rows.append(row(f"auto has the best mean rank at {trials[at]}", f"{ranks['auto']:.2f}; {best} {ranks[best]:.2f}",
                            ranks["auto"] <= ranks[best]))
        for name, recorded in nas.items():
            if name in found:
                mean = statistics.fmean(values[-1] for values in found[name]["tuners"]["auto"]["values"])
                asked = recorded[LOCAL_SEARCH]["mean"][len(trials) - 1]
                rows.append(row(f"auto on {name} at {trials[-1]}: at least local search's {asked:.2f}", f"{mean:.2f}",
                                mean >= asked - 5e-3))
        if "cond3" in found:
            winners = [settings.get("m") for settings in found["cond3"]["tuners"]["auto"]["settings"]]
            rows.append(row("auto finds branch B of cond3", f"{winners.count('B')} of {len(winners)} seeds",
                            2 * winners.count("B") > len(winners)))
    return rows


def curve_rows(found, scheduler, budgets):
    """A budget of 5 with a scheduler against 20 of random search, over all tasks."""
    at, late = budgets.index(5), budgets.index(20)
    mean = lambda player, workers, budget: statistics.fmean(  # noqa: E731
        curve_regrets(task, name, task["players"][player][workers])[budget] for name, task in found.items())
    rows = []
    player = f"auto + {scheduler}"
    if found and all(player in task["players"] for task in found.values()):
        asked = mean("random + none", "1", late)
        for workers in ("1", "4", "8"):
            value = mean(player, workers, at)
            rows.append(row(f"{player}, workers: {workers}, at 5: at most random search's mean regret at 20",
                            f"{value:.3f}; {asked:.3f}", value <= asked))
    return rows


def cost_rows(found):
    rows = []
    for tuner, count, most in (("tpe", "100", 0.5), ("tpe", "1000", 3.0), ("gp", "200", 100.0)):
        if tuner in found["proposals"]:
            value = found["proposals"][tuner][count]
            rows.append(row(f"a proposal of {tuner} after {count} trials: under {most:g} ms", f"{value:.2f} ms", value < most))
    if found["optuna_store"] and "tpe" in found["store"]:
        ratio = min(theirs / found["store"]["tpe"][count] for count, theirs in found["optuna_store"].items())
        rows.append(row("a trial with tpe through our SQLite store: 20 times faster than Optuna's", f"{ratio:.0f} times",
                        ratio >= 20))
    if "memory" in found:
        sizes = found["memory"]
        first, last = list(sizes.items())[0], list(sizes.items())[-1]
        grown = 1024 * (last[1] - first[1]) / (int(last[0]) - int(first[0]))
        rows.append(row("memory of a 10,000-trial study is flat",
                        f"{first[1]:.0f} to {last[1]:.0f} MiB, {grown:.1f} KiB a trial", grown < 10))
    return rows


def asked_table(rows):
    return "### What is asked, and what was found\n\n" + table(["asked", "found", "met"], rows) + "\n" if rows else ""
