# What the numbers of `tools/bench search` say: quartiles, ranks, regrets, and the verdict beside a recorded baseline.
import math
import statistics


def quartiles(values):
    """First quartile, median and third quartile, interpolated between the values; absent values are the worst."""
    return [quantile(values, q) for q in (0.25, 0.5, 0.75)]


def quantile(values, q):
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    return low if low == high else low + (high - low) * (at - math.floor(at))


def lower_is_better(task, value):
    """A reported value as an objective; infinity where there is none."""
    if value is None:
        return math.inf
    return -value if task["maximize"] else value


def verdict(task, median, recorded, at):
    """The median of a task beside the quartiles that were recorded: 'better', 'inside' or 'worse'."""
    good, bad = sorted(lower_is_better(task, recorded[q][at]) for q in ("q25", "q75"))
    value = lower_is_better(task, median)
    tolerance = 1e-6 * max(abs(good), abs(bad))  # the tables are float32
    if value < good - tolerance:
        return "better"
    return "inside" if value <= bad + tolerance else "worse"


def regret(task, name, value, best="best"):
    """0: the best there is; 1: what half of all configurations reach; at most 1. In the logarithm for hpolib."""
    least, middle, reached = (lower_is_better(task, v) for v in (task[best], task["median"], value))
    if math.isinf(reached):
        return 1.0
    if name.startswith("hpolib_"):
        least, middle, reached = (math.log10(v) for v in (least, middle, reached))
    return min(1.0, (reached - least) / (middle - least))


def ranks(values):
    """The rank of every value, 1 for the least; equal ones share the mean of theirs."""
    return [1 + sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2 for value in values]


def mean_ranks(tasks, players, at):
    """The mean rank of every player over tasks and seeds; `tasks`: {task: (description, {player: [values of a seed]})}."""
    sums = {player: [] for player in players}
    for task, results in tasks.values():
        for row in zip(*(results[player] for player in players)):
            for player, rank in zip(players, ranks([lower_is_better(task, values[at]) for values in row])):
                sums[player].append(rank)
    return {player: statistics.fmean(values) for player, values in sums.items()}


def short(value):
    """Four digits, or a word where there is no number."""
    return "-" if value is None or math.isinf(value) else f"{value:.4g}"
