"""Checks that every module includes only what its arrows reach, and that only the engine knows LibTorch.

Usage: layering.py ROOT | layering.py --self-test (the control: made-up violations must be found)
"""
import pathlib
import re
import sys

# module -> modules whose headers it may include; headers directly in espalier/ are the SDK, open to all.
ARROWS = {
    "spec": set(),
    "registry": set(),
    "network": set(),
    "data": {"spec"},
    "store": set(),
    "pipeline": {"spec", "registry", "network", "data"},
    "study": {"pipeline", "spec", "registry", "network", "data", "store"},
    "importance": {"store"},
    "report": {"store", "network", "data", "importance"},
    "engine": {"network", "data"},
    "cli": {"study", "pipeline", "report", "importance", "spec", "registry", "network", "data", "store"},
    "testing": {"registry", "network", "data", "pipeline"},
}
TORCH = re.compile(r"^(torch|ATen|c10)/")
# Came after 2.6, the oldest LibTorch that the engine is built with (Debian 13's).
NEWER = re.compile(r"^torch/headeronly/")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def violations(module, name, text):
    found = []
    for target in INCLUDE.findall(text):
        if TORCH.match(target) and module != "engine":
            found.append(f"{name}: includes {target}: only the engine knows LibTorch")
        if NEWER.match(target):
            found.append(f"{name}: includes {target}: LibTorch 2.6 has no such header")
        match = re.match(r"espalier/(\w+)/", target)
        if not match or match.group(1) == module:
            continue
        if module == "sdk":
            found.append(f"{name}: includes {target}: the SDK includes nothing of ours but the SDK")
        elif match.group(1) not in ARROWS.get(module, set()):
            found.append(f"{name}: includes {target}: {module} reaches {', '.join(sorted(ARROWS[module])) or 'the SDK only'}")
    return found


def check(root):
    found, files = [], 0
    base = root / "framework" / "espalier"
    for path in sorted(base.rglob("*")):
        if path.suffix not in (".h", ".cpp", ".in"):
            continue
        relative = path.relative_to(base)
        module = relative.parts[0] if len(relative.parts) > 1 else "sdk"
        if module != "sdk" and module not in ARROWS:
            found.append(f"{relative}: module {module} has no arrows in tests/layering/layering.py")
            continue
        files += 1
        found += violations(module, str(relative), path.read_text())
    for path in sorted((root / "plugins").rglob("*.cpp")):
        files += 1
        if not path.name.endswith("_test.cpp"):
            found += violations("sdk", str(path.relative_to(root)), path.read_text())
    return found, files


def self_test():
    assert violations("store", "x.cpp", '#include "espalier/engine/trainer.h"\n')
    assert violations("cli", "x.cpp", "#include <torch/torch.h>\n")
    assert violations("engine", "x.cpp", "#include <torch/headeronly/version.h>\n")
    assert violations("sdk", "x.h", '#include "espalier/spec/tree.h"\n')
    assert not violations("engine", "x.cpp", "#include <ATen/ATen.h>\n")
    assert not violations("study", "x.cpp", '#include "espalier/store/store.h"\n#include "espalier/space.h"\n')
    print("6 made-up cases judged rightly")


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        self_test()
        sys.exit(0)
    problems, count = check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) if problems else f"{count} files keep to their arrows")
    sys.exit(1 if problems or count == 0 else 0)
