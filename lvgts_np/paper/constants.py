"""Fixed numbers of the mathematics, which no run changes."""

MARGIN = 1e-3  # what the lowest of M <= k scores keeps (M5)
SAB_EPS = 1e-7  # added to the threshold in the released SAB code (M4)
MIN_NOISE_SCALE = 0.05  # least scale of the transition's noise; its slope is 0 from there down (M9)
MIN_REWARD_ERROR = 0.2  # least error of a reward that weights distinguish (M19)
PAY_MARGIN = 0.05  # ε: a probability of paying counts as 0 up to it, as 1 from 1 - ε on (M19)
# Bounds of the policy's log-std. Without the lower one the recall phase, where noise costs reward,
# takes the noise of the remember actions with it, and what these are worth is never learned. (M10)
LOG_STD = (-1.0, 1.0)

# The values of each switch. Text, adjoint and the tests' restatement each raise on any other.
TOPK_RULES = ("paper", "sab")  # the threshold of the attention (M4)
COMBINES = ("mlp", "add")  # how query and memory make the latent (M1)
TRANSITIONS = ("query", "latent")  # what f predicts (M9)
REWARD_UNITS = ("huberized", "relu")  # hidden units of the reward model (M12)
OUTPUTS_OF_R = {"weighted": 2, "square": 1, "hurdle": 3}  # of (y, σ, p), those that r has (M19)
REWARD_LOSSES = tuple(OUTPUTS_OF_R)  # what r learns, and from which errors (M19)
STORES = ("before", "after")  # a latent enters the memory before or after its detach (M8)
