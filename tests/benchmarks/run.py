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


def model_step(S, T, H, batch=BATCH, dtype="float32", k=3):
    """The adjoint's model gradient at these sizes, as a function of nothing."""
    c = settings(H=H, T=T, k=k)
    learner = numpy_learner.Learner(*parameters(S, c), c, dtype)
    data = [x.astype(dtype) for x in episodes(S, batch, T)[:3]]
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


def recorded_matmuls(work):
    """The (x, y, out) of each matmul that `work` does, their memory as it lay."""
    calls, real = [], np.matmul

    def matmul(x, y, out=None):
        result = real(x, y, out=out)
        calls.append((x, y, result))
        return result

    np.matmul = matmul
    try:
        work()
    finally:
        np.matmul = real
    return calls


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
    step = model_step(S, T=15, H=16, dtype=dtype)
    step()
    calls = recorded_matmuls(step)
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


def growth():
    """Print how the cost of the adjoint's model step grows."""
    print("\nThe adjoint's model step, float32, against T at S = 1, B = 32, H = 16")
    T = np.array([15, 30, 60, 120, 240, 480, 1006])
    ms = np.array([1e3 * best(model_step(1, int(t), 16, 32)) for t in T])
    terms = np.stack((T, T**2), axis=1) / ms[:, None]  # least squares of relative errors
    _, square = np.linalg.lstsq(terms, np.ones(len(T)))[0]
    print("   T      ms   us a step   share of the T^2 of scoring (fit of aT + bT^2)")
    for t, m in zip(T, ms, strict=True):
        print(f"{t:4}{m:8.2f}{1e3 * m / t:12.1f}{max(0.0, square) * t**2 / m:9.0%}")
    base = {"S": 20, "T": 15, "H": 16, "batch": BATCH, "k": 3}
    varied = ("S", (1, 5, 20)), ("batch", (32, 128, 512)), ("H", (8, 16, 32, 64)), ("k", (1, 3, 9))
    for name, values in varied:
        ms = [1e3 * best(model_step(**base | {name: value})) for value in values]
        fixed = ", ".join(f"{key} = {x}" for key, x in base.items() if key != name)
        rows = ", ".join(f"{value}: {m:.1f} ms" for value, m in zip(values, ms, strict=True))
        print(f"against {name} at {fixed}: {rows}")


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
    parser.add_argument("--only", choices=("compare", "matmul", "growth", "memory"))
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
    if args.only in (None, "growth"):
        growth()
    if args.only in (None, "memory"):
        peak()


if __name__ == "__main__":
    main()
