"""Hand-written forward and backward passes of `paper.losses` and `paper.imagine`, in plain NumPy.

lambda_x (λ_x) names the adjoint of x: the derivative of the loss, or of the return, with respect
to x. Each backward function stands under its forward function and reads it upwards; behind a
backward line stands the forward line that it transposes. Read `layers` (the MLP, the memory read),
then `model` beside `paper.losses` and `paper.model.encode`, then `policy` beside `paper.imagine`.

Arrays over time are buffers (S, T, B, F), written a step at a time. What has no recurrence is one
matmul over all steps, and so is, after the loop over time, every gradient of a weight.
"""

from lvgts_np.adjoint.layers import Buffers
from lvgts_np.adjoint.model import model_loss_and_grad
from lvgts_np.adjoint.policy import credit, return_and_grad

__all__ = ["Buffers", "credit", "model_loss_and_grad", "return_and_grad"]
