# What Optuna costs, measured in the same run: a proposal after so many trials, and a whole trial that trains nothing.
import pathlib
import statistics
import time

WORDS = ["0", "1", "2", "3"]


def suggest(trial):
    """Ten hyperparameters: six numbers, four words of four."""
    total = sum(trial.suggest_float(f"x{i}", 0, 1) ** 2 for i in range(6))
    return total + sum(float(trial.suggest_categorical(f"c{i}", WORDS)) for i in range(4))


def load():
    """Optuna, silent; None where it is not installed."""
    try:
        import optuna
    except ImportError:
        return None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def proposal_times(optuna, lengths, rounds):
    """Milliseconds of one proposal of TPE after so many random trials in memory, the median of some."""
    out = {}
    for length in lengths:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(suggest, n_trials=length)
        study.sampler = optuna.samplers.TPESampler(seed=0)
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            trial = study.ask()
            suggest(trial)
            times.append(1e3 * (time.perf_counter() - begin))
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        out[str(length)] = statistics.median(times)
    return out


def store_times(optuna, folder, checkpoints):
    """By checkpoint: milliseconds of a whole trial with TPE through SQLite, the mean since the checkpoint before."""
    file = pathlib.Path(folder) / "optuna.db"
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), storage=f"sqlite:///{file}")
    out, done = {}, 0
    for checkpoint in checkpoints:
        begin = time.perf_counter()
        study.optimize(suggest, n_trials=checkpoint - done)
        out[str(checkpoint)] = 1e3 * (time.perf_counter() - begin) / (checkpoint - done)
        done = checkpoint
    return out
