"""Mutants that no test can catch: file, pieces of their changed lines, and the reason."""

GUARD = "lengths that can only be equal"
SQUARE = "the matrix is square, the axis the same, or the sizes are those of the other array"
SIZE = "NumPy takes any negative size for the one that it finds"
SPEED = "another of the ways to the same numbers, or zeros of a shape that broadcasts to the same"

EQUIVALENT = (
    ("paper/attention.py", ["* survives - tied"], "a sign that all weights share cancels"),
    ("paper/attention.py", ["shape[:+2]", "axis=+2)"], SQUARE),
    ("paper/autodiff.py", ["strict=False"], GUARD),
    ("paper/losses.py", ["reshape(len(x), T, -2)"], SIZE),
    ("paper/losses.py", ["(onp.mean(x**2", "zeros_like(part)"], "a ratio, and what multiplies 0"),
    ("paper/model.py", ["onp.ones(h_tm1.shape[:-1] + (0,))"], "an array without entries"),
    ("paper/model.py", ['phi["b.W"].shape[+1]', 'phi["b.W"].shape[-2]'], SQUARE),
    ("adjoint/memory.py", ["SHORT = 41", "SHORT = 0"], SPEED),
    ("adjoint/layers.py", ["lambda_y.shape[-1] == 0"], SPEED),
    ("adjoint/memory.py", ["== 0.0] = 2.0"], "it divides zeros"),
    ("adjoint/layers.py", ["reshape(-2", "shape[0], -2"], SIZE),
    ("adjoint/model.py", ["ROWS = 641", "ROWS = 0", "min(1, ROWS", "max(2, ROWS"], SPEED),
    ("adjoint/model.py", ["seeds *= 3"], "what is computed twice or thrice is returned once"),
    ("adjoint/model.py", ["strict=False"], GUARD),
    ("adjoint/encoder.py", ["if t >= 0 and"], "what it adds to the last step comes after its use"),
    ("adjoint/model.py", ["batch[1].shape", "x[1].dtype"], SQUARE),
    ("adjoint/model.py", ['phi["b.W"].shape[+1]', 'phi["b.W"].shape[-2]'], SQUARE),
    ("adjoint/encoder.py", ["H = oa, W.shape[+1]", "H = oa, W.shape[-2]"], SQUARE),
    ("adjoint/model.py", ["v.shape[2:]", "v.shape[0:]"], SPEED),
    ("adjoint/encoder.py", ["v.shape[2:]", "v.shape[0:]"], SPEED),
    ("adjoint/model.py", ["len(error), -2", "len(mae), -2"], SIZE),
    ("adjoint/model.py", ["zeros_like(part)"], "what multiplies errors that are 0"),
    ("adjoint/policy.py", ["x_pi.reshape(-2, H + 1)"], SIZE),
    ("adjoint/policy.py", ['"zeros", shape[2:]', '"zeros", shape[0:]'], SPEED),
    ("adjoint/policy.py", ["max(initial=1)"], "each read has a weight, but for the one of nothing"),
)
