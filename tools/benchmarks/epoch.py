"""An epoch of a pipeline's first trial: espalier-trainer beside the same network in an eager (or compiled) PyTorch script."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from shipped import parser_of, program, run_pipeline


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


def time_of_script(trial, steps, compiled, half):
    """Seconds a step of an eager PyTorch script; the time of compiling is left out."""
    import torch
    from eager import Eager, loss_of, optimizer_of

    torch.manual_seed(1)
    torch.set_num_threads(trial["train"]["threads"] or len(os.sched_getaffinity(0)))
    model = Eager(trial["network"], half)
    model.train()
    call = torch.compile(model) if compiled else model
    optimizer = optimizer_of(model, trial["train"]["optimizer"])
    batch = trial["train"]["batch"]
    shapes = {layer["set"]["name"]: layer["shape"] for layer in trial["network"]["layers"] if layer["op"] == "input"}
    data = {name: torch.randint(0, 256, (4096, *shape), dtype=torch.uint8) for name, shape in shapes.items()}
    targets = {}
    for output in trial["network"]["outputs"]:
        classes = output["decode"].get("names")
        targets[output["head"]] = torch.randint(0, len(classes), (4096,)) if classes else torch.randn(4096)

    def step():
        rows = torch.randint(0, 4096, (batch,))
        inputs = {name: values[rows].float().contiguous(memory_format=torch.channels_last) for name, values in data.items()}
        optimizer.zero_grad()
        loss = loss_of(trial["network"]["outputs"], call(inputs), {name: values[rows] for name, values in targets.items()})
        loss.backward()
        optimizer.step()
        return loss.item()

    if compiled:
        step()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begin) / steps


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
        kinds = {"espalier": lambda: time_of_trainer(arguments, trial, arguments.steps, folder),
                 "eager": lambda: time_of_script(trial, arguments.steps, False, half)}
        if arguments.compile:
            kinds["compile"] = lambda: time_of_script(trial, arguments.steps, True, half)
        times = {kind: [] for kind in kinds}
        for _ in range(arguments.repeat):
            for kind, measure in kinds.items():
                times[kind].append(measure())
        best = {kind: min(values) for kind, values in times.items()}
        print(f"{'':10} {'min ms/step':>12} {'median':>9} {'ratio of minima':>16}")
        for kind, values in times.items():
            print(f"{kind:10} {best[kind] * 1e3:12.1f} {statistics.median(values) * 1e3:9.1f} {best['espalier'] / best[kind]:16.3f}")


if __name__ == "__main__":
    sys.exit(main())
