"""Runs one text case: files, a command, what it must say and how it must end.

A case is a text file. `---- file NAME` begins a file of the case's folder, `---- command` a line for the shell (as
`espalier ...`), `---- output` what standard output and standard error together must be, `---- exit N` the exit code.
A line of the expected output may hold `<...>`, which stands for anything within the line; a line that is only `<...>` stands
for any number of lines. Usage: run_case.py ESPALIER CASE [--update]
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MARK = re.compile(r"^---- (file|command|output|exit)\b ?(.*)$")


def parse(text):
    case = {"files": {}, "command": "", "output": "", "exit": 0}
    kind, name, lines = None, "", []

    def close():
        body = "\n".join(lines)
        if kind == "file":
            case["files"][name] = body + "\n"
        elif kind in ("command", "output"):
            case[kind] = body.strip("\n")

    for line in text.splitlines():
        mark = MARK.match(line)
        if not mark:
            lines.append(line)
            continue
        close()
        kind, name, lines = mark.group(1), mark.group(2), []
        if kind == "exit":
            case["exit"] = int(name)
    close()
    return case


def pattern(expected):
    """The expected text as a regular expression."""
    out = []
    for line in expected.split("\n"):
        if line == "<...>":
            out.append(r"(?:.*\n)*")
        else:
            out.append(".*".join(re.escape(part) for part in line.split("<...>")) + r"\n")
    return re.compile("".join(out))


def run(program, case):
    with tempfile.TemporaryDirectory(prefix="espalier-case-") as folder:
        for name, body in case["files"].items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body.encode("utf-8", "surrogateescape"))
        # Beside the programs stand those that tests need, as made_study, which makes a study to look at.
        build = pathlib.Path(program).parent
        environment = {**os.environ, "PATH": f"{build}:{build.parent / 'tests'}:{os.environ['PATH']}", "NO_COLOR": "1",
                       "ESPALIER_CACHE": f"{folder}/.cache", "HOME": folder, "CHECK_JSON": f"{sys.executable} -m json.tool"}
        done = subprocess.run(["bash", "-c", case["command"]], cwd=folder, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120)
        text = done.stdout.decode("utf-8", "replace").replace(folder, "FOLDER")
        return "\n".join(line.rstrip() for line in text.splitlines()), done.returncode


def update(path, output, code):
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    head = text.split("---- output")[0].rstrip("\n")
    path.write_text(f"{head}\n---- output\n{output}\n---- exit {code}\n", encoding="utf-8", errors="surrogateescape")


def main():
    program, path = sys.argv[1], pathlib.Path(sys.argv[2])
    case = parse(path.read_text(encoding="utf-8", errors="surrogateescape"))
    output, code = run(program, case)
    if "--update" in sys.argv:
        update(path, output, code)
        return 0
    problems = []
    if not pattern(case["output"]).fullmatch(output + "\n"):
        problems.append(f"expected output:\n{case['output']}\n\nbut it said:\n{output}\n")
    if code != case["exit"]:
        problems.append(f"expected exit code {case['exit']}, but it was {code}")
    if problems:
        print(f"{path}: {case['command']}\n" + "\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
