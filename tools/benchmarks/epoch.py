"""Steps and evaluation of a pipeline's first trial: espalier beside the same network in an eager (or compiled) PyTorch script."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from shipped import parser_of, program, run_pipeline, words_of


def trial_of(arguments, folder):
    """The trial document that the shipped program writes for the pipeline's first trial."""
    done = run_pipeline(arguments, folder, "train.epochs=0.01", "search.budget.trials=1")
    found = sorted(folder.glob("studies/*/trials/*/trial.json"))
    if not found:
        raise SystemExit(f"no trial came of it:\n{done.stdout}{done.stderr}")
    return json.loads(found[0].read_text())


def time_of_trainer(arguments, trial, steps, folder):
    """Seconds a step of the first `steps` steps, as the trainer counts them."""
    rows = json.loads(pathlib.Path(trial["data"]["splits"]).with_suffix(".json").read_text())["rows"]["train"]
    trial = {**trial, "train": {**trial["train"], "epochs": steps / (rows // trial["train"]["batch"])}}
    job = folder / "job.json"
    write = folder / "attempt"
    write.mkdir(exist_ok=True)
    job.write_text(json.dumps({"do": "train", "trial": trial, "attempt": {"token": 1, "from": 0, "write": str(write)}}))
    environment = {key: value for key, value in os.environ.items() if key != "ESPALIER_CHANNEL"}
    done = subprocess.run([program(arguments, "espalier-trainer"), job], text=True, capture_output=True, check=True, env=environment)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if "seconds" in message:
            return message["seconds"] / steps
    raise SystemExit(f"the trainer counted no epoch:\n{done.stdout}{done.stderr}")


def evaluation_of_trainer(arguments, folder):
    """Seconds of scoring a sample."""
    done = subprocess.run([program(arguments, "espalier"), "profile", *words_of(arguments), "--json"], cwd=folder, text=True, capture_output=True, check=True)
    return json.loads(done.stdout)["evaluation"]


def model_of(trial, half):
    """The script's network, and made-up pictures for it."""
    import torch
    from eager import Eager

    torch.manual_seed(1)
    torch.set_num_threads(trial["train"]["threads"] or len(os.sched_getaffinity(0)))
    shapes = {layer["set"]["name"]: layer["shape"] for layer in trial["network"]["layers"] if layer["op"] == "input"}
    return Eager(trial["network"], half), {name: torch.randint(0, 256, (4096, *shape), dtype=torch.uint8) for name, shape in shapes.items()}


def batch_of(data, rows):
    import torch

    return {name: values[rows].float().contiguous(memory_format=torch.channels_last) for name, values in data.items()}


def evaluation_of_script(trial, compiled, half):
    """Seconds a sample of forward passes in evaluation mode, in batches as large as the trainer's."""
    import torch

    model, data = model_of(trial, half)
    model.eval()
    call = torch.compile(model) if compiled else model
    batch = 500
    with torch.inference_mode():
        call(batch_of(data, torch.arange(batch)))
        begin = time.perf_counter()
        for start in range(0, 2000, batch):
            call(batch_of(data, torch.arange(start, start + batch)))
        return (time.perf_counter() - begin) / 2000


def time_of_script(trial, steps, compiled, half):
    """Seconds a step of an eager PyTorch script; the time of compiling is left out."""
    import torch
    from eager import loss_of, optimizer_of

    model, data = model_of(trial, half)
    model.train()
    call = torch.compile(model) if compiled else model
    optimizer = optimizer_of(model, trial["train"]["optimizer"])
    batch = trial["train"]["batch"]
    targets = {}
    for output in trial["network"]["outputs"]:
        classes = output["decode"].get("names")
        targets[output["head"]] = torch.randint(0, len(classes), (4096,)) if classes else torch.randn(4096)

    def step():
        rows = torch.randint(0, 4096, (batch,))
        optimizer.zero_grad()
        loss = loss_of(trial["network"]["outputs"], call(batch_of(data, rows)), {name: values[rows] for name, values in targets.items()})
        loss.backward()
        optimizer.step()
        return loss.item()

    if compiled:
        step()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begin) / steps


def compare(kinds, repeat, unit):
    """Measures each kind in turn, `repeat` times; prints milliseconds and ratios of the first to the others."""
    times = {kind: [] for kind in kinds}
    for _ in range(repeat):
        for kind, measure in kinds.items():
            times[kind].append(measure())
    first = min(next(iter(times.values())))
    print(f"{'':10} {'min ms/' + unit:>14} {'median':>9} {'ratio of minima':>16}")
    for kind, values in times.items():
        print(f"{kind:10} {min(values) * 1e3:14.3f} {statistics.median(values) * 1e3:9.3f} {first / min(values):16.3f}", flush=True)


def main():
    parser = parser_of("epoch", __doc__)
    parser.add_argument("--steps", type=int, default=60, help="steps of a measurement (60)")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each (3)")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trial = trial_of(arguments, folder)
        half = "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text() and trial["train"]["precision"] != "float32"
        steps = {"espalier": lambda: time_of_trainer(arguments, trial, arguments.steps, folder),
                 "eager": lambda: time_of_script(trial, arguments.steps, False, half)}
        samples = {"espalier": lambda: evaluation_of_trainer(arguments, folder), "eager": lambda: evaluation_of_script(trial, False, half)}
        if arguments.compile:
            steps["compile"] = lambda: time_of_script(trial, arguments.steps, True, half)
            samples["compile"] = lambda: evaluation_of_script(trial, True, half)
        compare(steps, arguments.repeat, "step")
        compare(samples, arguments.repeat, "sample")


if __name__ == "__main__":
    sys.exit(main())
