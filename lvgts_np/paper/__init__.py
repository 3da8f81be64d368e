"""The text: what the paper says, one function an equation, in `autograd.numpy`.

Read `attention` (Alg. 2), `model` (Eq. 2, Eq. 3), `losses` (A.2, Eq. 7), `imagine` (Alg. 1, second
loop), `credit` (Fig. 1). `value_gradients` holds A.1. `autodiff` is where a graph is cut and
differentiated, `gradients` the gradients by autograd that `adjoint` writes out by hand.
"""
