"""What each augmentation and way of mixing costs: milliseconds a batch of a pipeline's pictures."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from epoch import trial_of
from shipped import parser_of, program

# Operations that a batch goes through, as the trainer's network documents say them.
AUGMENTATIONS = {
    "none": [],
    "flip": [{"op": "random_flip"}],
    "alternating flip": [{"op": "random_flip", "set": {"alternating": True}}],
    "translate": [{"op": "random_translate", "set": {"height": 0.1, "width": 0.1}}],
    "rotate, zoom, shear": [{"op": "random_affine", "set": {"rotate": 0.05, "zoom": 0.1, "shear": 0.1}}],
    "brightness, contrast": [{"op": "random_colour", "set": {"brightness": 0.2, "contrast": 0.2}}],
    "all four colours": [{"op": "random_colour", "set": {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05}}],
    "cutout": [{"op": "random_erase", "set": {"least_area": 0.25, "most_area": 0.25, "clipped": True}}],
    "erase, noise": [{"op": "random_erase", "set": {"least_area": 0.02, "most_area": 0.4, "most_ratio": 3.3, "fill": "noise"}}],
    "RandAugment, 2 of 9": [{"op": "random_operations", "set": {"operations": 2, "magnitude": 9.0}}],
}
MIXES = {"mixup": {"name": "mixup", "alpha": 0.2}, "cutmix": {"name": "cutmix", "alpha": 1.0}}


def with_operations(trial, operations):
    """The trial with these operations alone between its pictures and a small head."""
    inputs = [layer for layer in trial["network"]["layers"] if layer["op"] == "input" and len(layer["shape"]) == 3][:1]
    layers = [{**inputs[0], "id": 0}]
    colours = layers[0]["shape"][0] == 3
    for one in operations:
        settings = {key: value for key, value in one.get("set", {}).items() if colours or key not in ("saturation", "hue")}
        layers.append({**one, "set": settings, "id": len(layers), "in": [len(layers) - 1], "shape": layers[0]["shape"], "from": "views", "when": "training"})
    pooled = {"op": "global_avg_pool", "id": len(layers), "in": [len(layers) - 1], "shape": layers[0]["shape"][:1], "from": "head"}
    output = {**trial["network"]["outputs"][0], "layer": pooled["id"]}
    network = {"format": 1, "inputs": [], "layers": [*layers, pooled], "outputs": [output]}
    return {**trial, "network": network}


def milliseconds(arguments, trial, folder):
    """The fastest of many passes of one batch through what comes before the network."""
    job = folder / "job.json"
    write = folder / "views"
    write.mkdir(exist_ok=True)
    job.write_text(json.dumps({"do": "views", "trial": trial, "rows": list(range(arguments.batch)), "views": arguments.passes,
                               "attempt": {"token": 1, "from": 0, "read": "", "write": str(write)}}))
    environment = {key: value for key, value in os.environ.items() if key != "ESPALIER_CHANNEL"}
    done = subprocess.run([program(arguments, "espalier-trainer"), job], text=True, capture_output=True, check=False, env=environment)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if "done" in message:
            return message["done"]["milliseconds"]
    raise SystemExit(f"the trainer told no time:\n{done.stdout}{done.stderr}")


def main():
    parser = parser_of("views", __doc__)
    parser.add_argument("--batch", type=int, default=256, help="pictures (256)")
    parser.add_argument("--passes", type=int, default=20, help="of which the fastest counts (20)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trial = trial_of(arguments, folder)
        trial["train"]["mix"] = "none"
        rows = {what: with_operations(trial, operations) for what, operations in AUGMENTATIONS.items()}
        for what, mix in MIXES.items():
            plain = with_operations(trial, [])
            rows[what] = {**plain, "train": {**plain["train"], "mix": mix}}
        print(f"{'':22} {'ms a batch':>10}")
        for what, changed in rows.items():
            print(f"{what:22} {milliseconds(arguments, changed, folder):10.2f}")


if __name__ == "__main__":
    sys.exit(main())
