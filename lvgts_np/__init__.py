"""Latent Value Gradients with Temporal Shortcuts (LVGTS) and LM-SVG, in NumPy and autograd."""
