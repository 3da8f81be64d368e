"""Latent Value Gradients with Temporal Shortcuts (LVGTS) and LM-SVG, in NumPy and autograd.

After Ma, D'Oro, Bengio and Bacon, "Long-Term Credit Assignment via Model-based Temporal
Shortcuts", 2021. Tags name the paper: [Eq. n], [Alg. n], [A.n], [§n], [Fig. n].
`DEVIATION:` marks where we do other than the paper says, `UNSPECIFIED:` where it says nothing; the
letter and number behind it is the row of the README's list.

Reading order. Five minutes: tasks, attention, model, imagine, adjoint.policy, train. The rest:

    pendulum, bounds      the distractor; what can be earned
    autodiff, nets        where a graph is cut; the one MLP
    losses, credit        A.2; what an action is blamed for
    value_gradients       A.1
    reference, adjoint    the two engines that differentiate: autograd, and by hand
    agent, episodes       acting; the replay
    optim                 Adam
    measures, audit       what to look at
    states                where a seed is, to go on from there
    config, tables, checkpoint, folders, stacks, processes, runs, paint, figures, cli
                          numbers in, files out
    statistics, outcomes, verdicts, claims, canvas, panels, report, study
                          Figure 2: what twenty runs say, and how sure that is

`import autograd.numpy as np` at the top of a file means that its functions are differentiated,
`import numpy as np` that they never are (`onp` is NumPy where both are needed).

Dimensions, always in this order:

    S seeds     B episodes     T steps     M remembered     H latent     O observation     A action

Symbols:

    h, ĥ          latent of the encoder; of the replay          phi    parameters of b, d, f, r
    w_t[i]        attention from step t to step i < t           theta  parameters of π
    q, q̂, σ       query of the encoder; as the transition       xi, ξ  noise of the transition
                  predicts it; how far off that may be          rho, ρ what LM-SVG's f leaves out
    h_m           what is read from memory
    a, u          action; before its squash                     eta, η noise of the policy
    o_m, a_m      what to remember; the action that shows it    N      steps between detaches
    t1, t2        remember t < t1, recall t > t2                k      memories attended

Arrays over time are lists, or have T in front; a name ending in _t, _tm1, _tp1 is one step's.
"""
