"""Seconds from `espalier run` to the end of the first step, and what each further trial costs beside its training."""
import statistics
import subprocess
import sys
import tempfile
import time

from shipped import parser_of, program, words_of

# A training of one step and as little validation as there can be.
ONE_STEP = ["data.take={train: 500, test: 10}", "data.split.validation=10", "train.epochs=1", "train.batch=490"]


def seconds_to_first_epoch(arguments, folder):
    """Until the first epoch, which is one step, is told."""
    begin = time.perf_counter()
    command = [program(arguments, "espalier"), "run", *words_of(arguments), *ONE_STEP]
    with subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        first = None
        said = []
        for line in running.stdout:
            said.append(line)
            if first is None and line.startswith("  epoch 1:"):
                first = time.perf_counter() - begin
    if running.returncode != 0 or first is None:
        raise SystemExit("".join(said))
    return first


def seconds_of_trials(arguments, folder, trials):
    """A whole run of so many trials that differ in their learning rate alone."""
    begin = time.perf_counter()
    rates = ", ".join(f"{0.01 * (i + 1):g}" for i in range(trials))
    more = ["train.optimizer={sgd: {learning_rate: {tune: [" + rates + "]}}}", f"search={{tuner: grid, scheduler: none, budget: {{trials: {trials}}}}}"]
    done = subprocess.run([program(arguments, "espalier"), "run", *words_of(arguments), *ONE_STEP, *more], cwd=folder, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - begin


def main():
    parser = parser_of("startup", __doc__)
    parser.add_argument("--repeat", type=int, default=5, help="measurements of each (5)")
    arguments = parser.parse_args()
    few, many = 2, 12

    def fresh(measure, *more):
        with tempfile.TemporaryDirectory() as folder:
            return measure(arguments, folder, *more)

    fresh(seconds_to_first_epoch)  # the cache is made
    first = [fresh(seconds_to_first_epoch) for _ in range(arguments.repeat)]
    trial = [(fresh(seconds_of_trials, many) - fresh(seconds_of_trials, few)) / (many - few) for _ in range(arguments.repeat)]
    print(f"{'':42}{'min s':>8}{'median s':>10}{'asked':>8}")
    for name, values, asked in (("to the end of the first step, warm cache", first, 1.0), ("a further trial of one step", trial, 0.6)):
        print(f"{name:42}{min(values):8.3f}{statistics.median(values):10.3f}{asked:8.1f}")


if __name__ == "__main__":
    sys.exit(main())
