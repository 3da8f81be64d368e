"""Training speed beside PyTorch and JAX: `python tests/benchmarks/run.py`, a few minutes.

A training iteration collects 32 episodes, takes 20 model steps in a row and one policy step; H =
16, 64 hidden units, T = 15. Collecting and drawing mini-batches is the same NumPy code for all
engines, that of `lvgts_np`; what differs is the two gradients and Adam. All run in this process on
one core and one thread, in turn, an iteration each, so that a busy machine slows all alike; the
ratio is the median over turns. Peers that are not installed are left out (see requirements.txt).

OpenBLAS is let choose its kernels, or takes those of --kernel: OPENBLAS_CORETYPE, where set, keeps
NumPy alone from the instructions that JAX uses.
"""

import argparse
import contextlib
import functools
import importlib
import os
import statistics
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
os.environ.pop("OPENBLAS_CORETYPE", None)
if "--kernel" in sys.argv:  # before NumPy is loaded
    os.environ["OPENBLAS_CORETYPE"] = sys.argv[sys.argv.index("--kernel") + 1]
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import numpy_learner
from numpy_learner import episodes, parameters, settings

from lvgts_np import adjoint
from lvgts_np.adjoint import memory
from lvgts_np.training.agent import Agent
from lvgts_np.training.replay_buffer import ReplayBuffer, collect, training_reward
from lvgts_np.training.trainer import join_seeds, make_streams, make_task

B, BATCH, MODEL_STEPS = 32, 128, 20
SIZES = ((1, 128), (10, 64), (20, 128))  # seeds, and episodes of a mini-batch; a run has 64
ENGINES = (
    ("adjoint", "float32"),
    ("adjoint", "float64"),
    ("autograd", "float64"),
    ("peer_torch", "float32"),
    ("peer_jax", "float32"),
)
ONLY = ("compare", "matmul", "growth", "memory", "compiled")
PARTS = ("collect", "model", "policy")


class Iteration:
    """A batch of seeds under one engine; a call is one training iteration -> seconds by part."""

    def __init__(self, engine, dtype, S, batch):
        self.batch = batch
        self.c, self.task = settings(), make_task(settings().config)
        self.learner = make_learner(engine, dtype, *parameters(S, self.c), self.c)
        self.streams = [make_streams(seed) for seed in range(S)]
        features = (self.task.O, self.task.A, 1)
        self.replay_buffer = ReplayBuffer([(self.c.T, S, B * 10, F) for F in features], dtype)
        self.dtype = dtype

    def __call__(self):
        seconds = dict.fromkeys(PARTS, 0.0)
        with timed(seconds, "collect"):
            o, a, u = self.collect()
        with timed(seconds, "model"):
            for _ in range(MODEL_STEPS):
                self.learner.fit(self.sample())
            self.learner.wait()
        with timed(seconds, "policy"):
            self.learner.improve(o, a, u)
            self.learner.wait()
        return seconds

    def collect(self):
        c, (phi, theta) = self.c, self.learner.params()
        noise = join_seeds([self.task.draw(s["task"], B) for s in self.streams], new_axis=True)
        eta = [s["policy"].standard_normal((c.T, B, self.task.A)) for s in self.streams]
        eta = np.stack(eta, axis=1).astype(self.dtype)
        agent = Agent(phi, theta, c.k, "paper", c.a_max)
        played, u = collect(self.task, agent, noise, eta)
        r = training_reward(played, c.config.distractor_scale)
        self.replay_buffer.add(played.o, played.a, r)
        return played.o, played.a, u

    def sample(self):
        return self.replay_buffer.sample([s["batches"] for s in self.streams], self.batch)


def make_learner(engine, dtype, phi, theta, c):
    if not engine.startswith("peer"):
        return numpy_learner.Learner(phi, theta, c, dtype, engine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(engine).Learner(phi, theta, c, dtype)


@contextlib.contextmanager
def timed(seconds, part):
    start = time.perf_counter()
    yield
    seconds[part] += time.perf_counter() - start


def start(S, batch):
    """By name, (Iteration, seconds of the first call), None for what is not installed."""
    ready = {}
    for engine, dtype in ENGINES:
        begin = time.perf_counter()
        try:
            iteration = Iteration(engine, dtype, S, batch)
        except ImportError:
            ready[engine, dtype] = None, 0.0
            continue
        iteration()
        ready[engine, dtype] = iteration, time.perf_counter() - begin
    return ready


def compare(S, batch, seconds):
    """Print what each engine does at S seeds, measured in turn for about `seconds`."""
    ready = start(S, batch)
    runs = {name: iteration for name, (iteration, _) in ready.items() if iteration}
    turns, end = [], time.perf_counter() + seconds
    while len(turns) < 10 or time.perf_counter() < end:
        slow = len(turns) >= 3  # autograd is far behind: three turns are enough
        turns.append({n: run() for n, run in runs.items() if not (slow and n[0] == "autograd")})
    print(f"\nS = {S}, mini-batches of {batch}: seed-iterations a second ({len(turns)} turns)")
    head = ("engine", "dtype", "rate", "adjoint is", *(p + " ms" for p in PARTS), "first s")
    print("{:11}{:9}{:>9}{:>12}{:>12}{:>10}{:>11}{:>10}".format(*head))
    for (engine, dtype), (iteration, first) in ready.items():
        label = f"{engine.removeprefix('peer_'):11}{dtype:9}"
        print(label + (row(turns, (engine, dtype), S, first) if iteration else "not installed"))


def row(turns, name, S, first):
    """The columns of one engine. "adjoint is": times the float32 adjoint is faster."""
    mine = [turn for turn in turns if name in turn]
    total = [sum(turn[name].values()) for turn in mine]
    ratio = [t / sum(turn[ENGINES[0]].values()) for t, turn in zip(total, mine, strict=True)]
    parts = [1e3 * statistics.median(turn[name][part] for turn in mine) for part in PARTS]
    rate, ratio = S / statistics.median(total), statistics.median(ratio)
    columns = "{:9.1f}{:11.2f}x{:12.2f}{:10.2f}{:11.2f}{:10.1f}"
    return columns.format(rate, ratio, *parts, first)


def problem(S, T, H, batch=BATCH, dtype="float32", k=3, engine="adjoint"):
    """A learner of these sizes, and a mini-batch."""
    c = settings(H=H, T=T, k=k)
    learner = make_learner(engine, dtype, *parameters(S, c), c)
    return learner, [x.astype(dtype) for x in episodes(S, batch, T)[:3]]


def model_step(**sizes):
    """An engine's model gradient at these sizes, as a function of nothing."""
    learner, data = problem(**sizes)
    return lambda: learner.model_gradient(data)


def best(work, seconds=0.5):
    """The least time of a call: what the machine can do when nobody disturbs it."""
    times, end = [], time.perf_counter() + seconds
    work()
    while len(times) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


class Recorded(np.ndarray):
    """Array that notes in `calls` what NumPy does with it: function, arguments, and the result."""

    calls = []

    def __array_ufunc__(self, ufunc, method, *args, **named):
        return self.note(getattr(ufunc, method), args, named)

    def __array_function__(self, function, types, args, named):
        return self.note(function, args, named)

    def __setitem__(self, where, x):
        part = plain(self)[where]
        if not (isinstance(x, Recorded) and x.ctypes.data == part.ctypes.data):  # the end of +=
            self.note(np.copyto, (part, x), {})

    def note(self, function, args, named):
        args, named = plain(args), plain(named)
        result = function(*args, **named)
        if isinstance(getattr(function, "__self__", None), np.ufunc) and np.ndim(result):
            named["out"] = result  # alone it needs no new memory
        self.calls.append((function, args, named, result))
        return result.view(Recorded) if isinstance(result, np.ndarray) else result


def plain(x):
    """x, or all that is in it, without Recorded."""
    if isinstance(x, (tuple, list)):
        return type(x)(map(plain, x))
    if isinstance(x, dict):
        return {name: plain(y) for name, y in x.items()}
    return x.view(np.ndarray) if isinstance(x, Recorded) else x


def recorded(learner, data):
    """NumPy's calls in one model step, as (function, arguments, named ones, result)."""
    learner.model_gradient(data)  # makes the buffers
    for arrays in (learner.buffers.arrays, learner.phi):
        arrays.update({name: x.view(Recorded) for name, x in arrays.items()})
    Recorded.calls = calls = []
    learner.model_gradient(data)
    return calls


def arrays_of(call):
    """The arrays that a call reads or writes."""
    _, args, named, result = call
    found = {id(x): x for x in (*leaves(args), *leaves(named.get("out")), *leaves(result))}
    return list(found.values())


def leaves(x):
    if isinstance(x, (tuple, list)):
        return [y for part in x for y in leaves(part)]
    return [x] if isinstance(x, np.ndarray) else []


def again(calls):
    """Function of nothing that makes these calls and does nothing else."""

    def run():
        for function, args, named, _ in calls:
            function(*args, **named)

    return run


def floors(S, dtype):
    """Print a model step beside its own NumPy calls alone: in their order, and each in cache."""
    sizes = {"S": S, "T": 15, "H": 16, "dtype": dtype}
    total, calls = best(model_step(**sizes)), recorded(*problem(**sizes))
    moved = sum(x.nbytes for call in calls for x in arrays_of(call))
    alone, alike = best(again(calls)), {}
    for call in calls:
        shapes = tuple((x.shape, x.strides) for x in arrays_of(call))
        alike.setdefault((call[0].__name__, str(call[0]), shapes), []).append(call)
    hot = 0.0
    for group in alike.values():
        for x in arrays_of(group[0]):
            x[...] = 1  # what comes of ones is no denormal number, which would be slow
        hot += best(again(group[:1] * len(group)), 0.05)
    ms = [1e3 * x for x in (total, alone, hot)]
    columns = "{:4}  {:9}{:8.2f}{:12.2f}{:11.2f}{:9.2f}x{:8}{:9.1f}"
    print(columns.format(S, dtype, *ms, total / hot, len(calls), moved / 1e6))


def share_of_reads(work, calls=20):
    """The share of the time of `work` that reading the memory takes, forward and backward."""
    kind, names = memory.Dense, ("append", "read", "read_adjoint", "of_reads")
    real, spent = [getattr(kind, name) for name in names], {"reads": 0.0}

    def clocked(f):
        def call(*args):
            with timed(spent, "reads"):
                return f(*args)

        return call

    for name, f in zip(names, real, strict=True):
        setattr(kind, name, clocked(f))
    try:
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        return spent["reads"] / (time.perf_counter() - begin)
    finally:
        for name, f in zip(names, real, strict=True):
            setattr(kind, name, f)


def matmul_share(S, dtype):
    """Print what of the adjoint's model step is matmul, and its rate beside the machine's."""
    sizes = {"S": S, "T": 15, "H": 16, "dtype": dtype}
    step, calls = model_step(**sizes), recorded(*problem(**sizes))
    calls = [(*args, out) for f, args, _, out in calls if f == np.matmul.__call__]
    flops = sum(2.0 * out.size * x.shape[-1] for x, _, out in calls)

    def matmuls():
        for x, y, out in calls:
            np.matmul(x, y, out=out)

    total, alone = best(step), best(matmuls)
    square = np.ones((1024, 1024), dtype)
    peak = 2.0 * 1024**3 / best(lambda: square @ square)
    rates = [f / 1e9 for f in (flops / total, flops / alone, peak)]
    columns = "{:4}  {:9}{:8.2f}{:11.0%}{:10.0%}{:11.1f}{:19.1f}{:9.1f}{:11.0%}"
    shares = alone / total, share_of_reads(step)
    print(columns.format(S, dtype, 1e3 * total, *shares, *rates, rates[0] / rates[1]))


@functools.cache
def beside_jax(**sizes):
    """Median ms of the adjoint's model step with Adam, and JAX's as a multiple of it, as text."""
    works = []
    for engine in ("adjoint", "peer_jax"):
        with contextlib.suppress(ImportError):
            works.append(problem(**sizes, engine=engine))
            fit(*works[-1])  # which compiles
    ms, ratios = in_turn(works)
    return ms, f"{ratios[1]:.2f}x" if works[1:] else "not installed"


def in_turn(works):
    """Median ms of the first work's model step with Adam, and all as multiples of it.

    Each three times in a row, as a step finds the caches as the one before left them.
    """
    turns, end = [], time.perf_counter() + 2.0
    while len(turns) < 5 or time.perf_counter() < end:
        turns.append([min(fit(*work) for _ in range(3)) for work in works])
    times = np.array(turns)
    return 1e3 * np.median(times[:, 0]), np.median(times / times[:, :1], axis=0)


def fit(learner, data):
    """Seconds of a model step."""
    begin = time.perf_counter()
    learner.fit(data)
    learner.wait()
    return time.perf_counter() - begin


def growth():
    """Print how the cost of a model step grows, the adjoint's and JAX's."""
    print("\nThe adjoint's model step with Adam, float32, against T at S = 1, B = 32, H = 16")
    T = np.array([15, 30, 60, 120, 240, 480, 1006])
    ms, jax = zip(*(beside_jax(S=1, T=int(t), H=16, batch=32) for t in T), strict=True)
    terms = np.stack((T, T**2), axis=1) / np.array(ms)[:, None]  # least squares, relative errors
    _, square = np.linalg.lstsq(terms, np.ones(len(T)))[0]
    print("   T      ms   us a step   share of T^2 (fit of aT + bT^2)    JAX takes")
    for t, m, ratio in zip(T, ms, jax, strict=True):
        share = max(0.0, square) * t**2 / m
        print(f"{t:4}{m:8.2f}{1e3 * m / t:12.1f}{share:9.0%}{ratio:>37}")
    base = {"S": 20, "T": 15, "H": 16, "batch": BATCH, "k": 3}
    varied = ("S", (1, 5, 20)), ("batch", (32, 128, 512)), ("H", (8, 16, 32, 64)), ("k", (1, 3, 9))
    for name, values in varied:
        found = [beside_jax(**base | {name: value}) for value in values]
        fixed = ", ".join(f"{key} = {x}" for key, x in base.items() if key != name)
        rows = (f"{x}: {m:.1f} ms {jax}" for x, (m, jax) in zip(values, found, strict=True))
        print(f"against {name} at {fixed}: {', '.join(rows)}")


def compiled():
    """Print PyTorch's model step by torch.compile beside eager; it compiles for minutes."""
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # else a second call compiles nothing
    from torch import compile

    print("\nPyTorch's model step with Adam as multiples of the adjoint's: eager, by torch.compile")
    for S, batch in SIZES[:2]:
        sizes = {"S": S, "T": 15, "H": 16, "batch": batch}
        works = [problem(**sizes, engine=x) for x in ("adjoint", "peer_torch", "peer_torch")]
        learner = works[2][0]
        learner.model_losses = compile(learner.model_losses)
        first = fit(*works[2])
        _, (_, eager, ratio) = in_turn(works)
        print(f"S = {S}, B = {batch}: {eager:.2f}x, {ratio:.2f}x, compiled in {first:.0f} s")


def peak():
    """Print the most memory that the adjoint's policy gradient holds at once, without its input."""
    print("\nThe adjoint's policy gradient, float32, S = 20, B = 32: peak MB (of it stored states)")
    for T in (15, 60, 240):
        c = settings(T=T)
        learner = numpy_learner.Learner(*parameters(20, c), c)
        o, a, _, u = (x.astype("float32") for x in episodes(20, B, T))
        inferred = learner.infer(o, a, u)
        cells = []
        for N in (1, 4, T):
            c.N, learner.buffers = N, adjoint.Buffers()
            tracemalloc.start()
            learner.improvement(inferred)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            stored = sum(x.nbytes for x in learner.buffers.arrays.values())
            cells.append(f"N = {N}: {peak / 1e6:.1f} ({stored / 1e6:.1f})")
        print(f"T = {T}: " + ", ".join(cells))
    c, data = settings(T=1006), [x.astype("float32") for x in episodes(1, 64, 1006)[:3]]
    learner = numpy_learner.Learner(*parameters(1, c), c)
    learner.model_gradient(data)
    stored = sum(x.nbytes for x in learner.buffers.arrays.values())
    head = "The adjoint's model step, float32, S = 1, B = 64, T = 1006"
    print(f"{head}: {stored / 1e6:.1f} MB stored")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each comparison")
    parser.add_argument("--only", choices=ONLY)
    parser.add_argument("--kernel", help="of OpenBLAS, such as Haswell")
    parser.add_argument("--core", type=int, help="to stay on; the last one by default")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        core = max(os.sched_getaffinity(0)) if args.core is None else args.core
        os.sched_setaffinity(0, {core})
    if args.kernel:
        print(f"\n\nThe comparison with --kernel {args.kernel}")
    if args.only in (None, "compare"):
        for S, batch in SIZES:
            compare(S, batch, args.seconds)
    if args.only in (None, "matmul"):
        print("\nThe adjoint's model step: its matmuls, GFLOP/s, and the machine's own rate")
        head = (
            "ms",
            "in matmul",
            "in reads",
            "achieved",
            "its matmuls alone",
            "1024^3",
            "of alone",
        )
        print("   S  dtype  {:>10}{:>11}{:>10}{:>11}{:>19}{:>9}{:>11}".format(*head))
        for S in (1, 20):
            for dtype in ("float32", "float64"):
                matmul_share(S, dtype)
        print("\nIts NumPy calls alone, in their order, and each in a row with itself, in cache")
        head = "ms", "alone", "in cache", "step is", "calls", "MB"
        print("   S  dtype  {:>10}{:>12}{:>11}{:>10}{:>8}{:>9}".format(*head))
        for S in (1, 20):
            floors(S, "float32")
    if args.only in (None, "growth"):
        growth()
    if args.only in (None, "memory"):
        peak()
    if args.only == "compiled":
        compiled()


if __name__ == "__main__":
    main()
