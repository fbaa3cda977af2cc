"""Lets each of the first system calls of a program fail or be its last, and judges what it leaves behind.

Usage: inject.py [--every N] [--most N] PROGRAM MODE FILE...   (PROGRAM MODE FOLDER runs, PROGRAM check-MODE FOLDER SAID judges; calls
that touch FOLDER or one of its FILEs count)
"""
import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CALLS = ["openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "fallocate", "rename", "unlink", "mkdir", "close", "fcntl", "mmap"]
FAULTS = ["error=ENOSPC", "error=EIO", "error=EMFILE", "signal=KILL"]


def trace(arguments, folder, said, log, injection=()):
    """Runs the program under strace; true if it got through, and the calls that it made."""
    paths = [word for name in [""] + arguments.files for word in ("-P", str(folder / name).rstrip("/"))]
    command = ["strace", "-f", "-o", str(log), *paths, "-e", "trace=" + ",".join(CALLS), *injection, arguments.program, arguments.mode, str(folder)]
    with open(said, "w") as out:
        ended = subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, timeout=300)
    return ended.returncode == 0, log.read_text() if log.exists() else ""


def may_trace():
    if shutil.which("strace") is None:
        return "strace is not installed (tools/setup --tests)"
    tried = subprocess.run(["strace", "-f", "-e", "inject=getppid:error=EIO", "true"], capture_output=True)
    return None if tried.returncode == 0 else "strace may not trace here"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="tries every N-th only")
    parser.add_argument("--most", type=int, default=40, help="of each system call")
    parser.add_argument("program")
    parser.add_argument("mode")
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    if why := may_trace():
        print("skipped:", why)
        return 77
    home = pathlib.Path(tempfile.mkdtemp())
    said, log = home / "said", home / "log"
    whole = home / "whole"
    whole.mkdir()
    through, calls = trace(arguments, whole, said, log)
    steps = len(said.read_text().splitlines())
    if not through or steps == 0:
        print("the program fails without any fault")
        return 1
    counts = collections.Counter(re.findall(r"^\d+ +(\w+)\(", calls, re.M))
    print("calls without a fault:", ", ".join(f"{name} {counts[name]}" for name in CALLS if counts[name]))
    runs = taken = ended_early = 0
    broken = []
    tries = [(name, place, fault) for name in CALLS for place in range(1, min(counts[name], arguments.most) + 1) for fault in FAULTS]
    for name, place, fault in tries[:: arguments.every]:
        folder = home / "study"
        folder.mkdir()
        through, calls = trace(arguments, folder, said, log, ["-e", f"inject={name}:{fault}:when={place}"])
        runs += 1
        taken += "INJECTED" in calls or "killed by SIGKILL" in calls
        ended_early += not through
        judged = subprocess.run([arguments.program, "check-" + arguments.mode, str(folder), str(said)], capture_output=True, text=True)
        if judged.returncode != 0:
            broken.append(f"{name} number {place}, {fault}: {judged.stderr.strip() or judged.returncode}")
        shutil.rmtree(folder)
    shutil.rmtree(home)
    print(f"{runs} runs, {taken} with a fault, {ended_early} ended by it, {runs - len(broken)} whole and not older than acknowledged")
    for line in broken:
        print("broken:", line)
    return 1 if broken or taken == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
