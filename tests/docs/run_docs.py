"""Runs what the project's documents show: commands of espalier, pipelines, plugins. Fails if a document shows nothing it knows."""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

# Shown, and run by other means: installing and building by tools/test and CI, long searches by the campaigns.
ELSEWHERE = ("tools/start", "tools/test", "tools/setup", "tools/build", "tools/bench", "cmake", "ctest")
SHORT = ["data.take={train: 400, test: 100}", "train.epochs=1", "search.budget.trials=1"]


def blocks(text):
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)


class Documents:
    def __init__(self, arguments, folder):
        self.arguments, self.folder, self.failures, self.done = arguments, folder, [], 0

    def run(self, place, command, **more):
        done = subprocess.run(command, text=True, capture_output=True, cwd=self.folder, check=False, **more)
        self.done += 1
        if done.returncode != 0:
            self.failures.append(f"{place}: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")

    def command(self, place, line):
        words = shlex.split(line, comments=True)
        if not words or words[0].startswith(ELSEWHERE) or words[0].startswith("export"):
            return
        if not words[0].endswith("espalier"):
            self.failures.append(f"{place}: nobody runs '{line}'")
            return
        words = [str(self.arguments.source / word) if word.startswith(("pipelines/", "datasets/")) else word for word in words[1:]]
        if words[0] in ("run", "resume"):
            if self.arguments.trainer != "ON":
                return
            words = [word for word in words if not word.startswith("search.budget")] + SHORT
        self.run(place, [self.arguments.espalier, *words])

    def pipeline(self, place, text):
        if "\ngraph:" not in "\n" + text:
            return  # a description of a data set, or a part
        file = self.folder / "shown.yaml"
        file.write_text(text)
        self.run(place, [self.arguments.espalier, "check", str(file)])

    def plugin(self, place, text):
        framework = str(self.arguments.source / "framework")
        self.run(place, [self.arguments.compiler, "-std=c++20", "-fsyntax-only", "-I", framework, "-x", "c++", "-"], input=text)

    def document(self, path):
        for kind, text in blocks(path.read_text()):
            place = path.relative_to(self.arguments.source)
            if kind == "sh":
                for line in text.splitlines():
                    self.command(place, line)
            elif kind == "yaml":
                self.pipeline(place, text)
            elif kind == "cpp":
                self.plugin(place, text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=pathlib.Path, required=True)
    for name in ("--espalier", "--compiler", "--trainer"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["ESPALIER_CACHE"] = name + "/cache"
        documents = Documents(arguments, pathlib.Path(name))
        listed = subprocess.run(["git", "ls-files", "*.md"], cwd=arguments.source, text=True, capture_output=True, check=False)
        paths = [arguments.source / line for line in listed.stdout.split()] or sorted(arguments.source.glob("*.md"))
        for path in paths:
            documents.document(path)
        print(f"{documents.done} commands, pipelines and plugins of {len(paths)} documents")
        print("\n".join(documents.failures))
        if documents.done == 0:
            sys.exit("the documents show nothing")
        sys.exit(1 if documents.failures else 0)


if __name__ == "__main__":
    main()
