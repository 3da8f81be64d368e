"""Hand-written forward and backward passes of `paper.losses` and `paper.imagine`, in plain NumPy.

lambda_x (λ_x) names the adjoint of x: the derivative of the loss, or of the return, with respect
to x. Each backward function stands under its forward function and reads it upwards; behind a
backward line stands the forward line that it transposes. Read `layers` (the MLP) and `memory`
(the memory read), then `encoder` beside `paper.model.encode`, `model` beside `paper.losses`, and
`policy` beside `paper.imagine`.

Arrays over time are buffers (S, T, B, F), written a step at a time. What has no recurrence is one
matmul over all steps, and so is, after the loop over time, every gradient of a weight.
"""

from lvgts_np.adjoint.encoder import Encoder
from lvgts_np.adjoint.layers import Buffers
from lvgts_np.adjoint.model import model_loss_and_grad
from lvgts_np.adjoint.noise import infer
from lvgts_np.adjoint.policy import credit, response, return_and_grad

__all__ = [
    "Buffers", "Encoder", "credit", "infer", "model_loss_and_grad", "response", "return_and_grad",
]  # fmt: skip
