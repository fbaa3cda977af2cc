"""A whole `espalier run` of a pipeline with several seeds: wall seconds, search and test scores, mean and spread."""
import json
import pathlib
import statistics
import sys
import tempfile
import time

from shipped import parser_of, run_pipeline


def run_once(arguments, seed, folder, *more):
    begin = time.perf_counter()
    done = run_pipeline(arguments, folder, *more, f"seed={seed}", "--json")
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        raise SystemExit(f"seed {seed} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    scores = [json.loads(path.read_text()) for path in folder.glob("studies/*/best/scores.json")]
    return seconds, {kind: {name: value for name, value in part.items() if isinstance(value, (int, float))} for kind, part in scores[0].items()}


def runs(arguments, *more):
    """Seconds and scores of a run in a folder of its own for each of `arguments.seeds` seeds, with further overrides."""
    for seed in range(1, arguments.seeds + 1):
        with tempfile.TemporaryDirectory() as name:
            yield run_once(arguments, seed, pathlib.Path(name), *more)


def main():
    parser = parser_of("recipe", __doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (3)")
    arguments = parser.parse_args()
    rows = []
    for seed, (seconds, scores) in enumerate(runs(arguments), 1):
        rows.append((seconds, scores))
        print(f"seed {seed}: {seconds:.1f} s  {json.dumps(scores)}", flush=True)
    print(f"seconds: mean {statistics.mean(row[0] for row in rows):.1f}, max {max(row[0] for row in rows):.1f}")
    tests = [row[1].get("test", {}) for row in rows]
    for name in sorted(set.intersection(*(set(test) for test in tests))):
        values = [test[name] for test in tests]
        spread = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "-"
        print(f"{name}: mean {statistics.mean(values):.4f}, deviation {spread}, n = {len(values)}")


if __name__ == "__main__":
    sys.exit(main())
