"""Convolutions by tiles beside oneDNN's: output and both gradients of layers that shipped pipelines have."""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ["output", "pixels", "filters"]


def main():
    parser = argparse.ArgumentParser(prog="tools/bench conv", description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--float32", action="store_true", help="in float32, also where the processor multiplies bfloat16")
    arguments = parser.parse_args()
    print(f"{'batch x in -> out @ size':36}" + "".join(f"{part + ' ms':>12}{'ratio':>7}" for part in PARTS) + f"{'all':>7}")
    program = [arguments.build / "bin/espalier_bench_conv"] + ["float32"] * arguments.float32
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as job:
        for line in job.stdout:
            found = json.loads(line)
            name = f"{found['precision']} {found['batch']} x {found['in']} -> {found['out']} @ {found['size']}"
            ours, theirs = (sum(found[part][i] for part in PARTS) for i in (0, 1))
            print(f"{name:36}" + "".join(f"{found[p][0]:12.2f}{found[p][0] / found[p][1]:7.2f}" for p in PARTS) + f"{ours / theirs:7.2f}", flush=True)
    return job.returncode


if __name__ == "__main__":
    sys.exit(main())
