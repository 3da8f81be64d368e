"""Pictures of a run directory and of the studies: plot_... draws each from arrays or a table."""
