# The shipped program, as every benchmark calls it.
import argparse
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parser_of(name, about):
    """A parser with what all benchmarks of a pipeline take."""
    parser = argparse.ArgumentParser(prog=f"tools/bench {name}", description=about)
    parser.add_argument("pipeline")
    parser.add_argument("override", nargs="*", help="k=v overrides of the pipeline")
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    return parser


def program(arguments, name):
    return pathlib.Path(arguments.build) / "bin" / name


def words_of(arguments):
    """The pipeline, from whatever folder, and its overrides."""
    given = pathlib.Path(arguments.pipeline)
    return [str(given.resolve()) if given.exists() else arguments.pipeline, *arguments.override]


def run_pipeline(arguments, folder, *more):
    """`espalier run` of the pipeline in a folder, with further overrides."""
    command = [program(arguments, "espalier"), "run", *words_of(arguments), *more]
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
