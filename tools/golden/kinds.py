"""Which range each parameter is drawn from: nothing at its trivial default, everything well-conditioned."""

import math
import re

# (pattern on the name, scale, offset): the first that matches is taken. A scale that is a function gets the shape.
FAN_IN = lambda shape: round(math.sqrt(3.0 / shape[-1]), 4)  # variance 1 / fan-in
RULES = {
    "mamba": [
        (r"A_log$", 1.5, -0.5),
        (r"\.D$", 0.3, 1.0),
        (r"dt_proj\.bias$", 1.5, -2.0),
    ],
    "mamba2": [
        (r"A_log$", 1.5, -0.5),
        (r"\.D$", 0.3, 1.0),
        (r"dt_bias$", 1.5, -2.0),
    ],
    "rwkv": [
        (r"time_decay$", 3.0, -2.0),
        (r"time_first$", 1.0, 0.0),
        (r"time_mix_\w+$", 0.5, 0.5),
    ],
    "recurrent_gemma": [
        (r"norm\.weight$", 0.3, 0.0),  # the layer multiplies by 1 + weight
        (r"recurrent_param$", 2.0, -6.0),
        (r"gate_bias$", 0.2, 0.0),
        (r"embed_tokens\.weight$", FAN_IN, 0.0),  # the model multiplies by sqrt(width)
    ],
}
RULES["falcon_mamba"] = RULES["fla_mamba"] = RULES["mamba"]
RULES["fla_mamba2"] = RULES["mamba2"]
RULES["gla"] = [(r"gk_proj\.1\.bias$", 1.0, 0.0)]
RULES["simple_gla"] = [(r"gk_proj\.bias$", 1.0, 0.0)]
RULES["gated_deltanet"] = [(r"A_log$", 1.5, -0.5), (r"dt_bias$", 1.5, -2.0)]
RULES["hgrn2"] = [(r"lower_bounds$", 1.0, 0.0)]
RULES["rwkv6"] = [
    (r"(mu|x_bias)$", 0.5, 0.5),
    (r"w_proj\.linear\.lora\.2\.bias$", 3.0, -2.0),
    (r"bonus$", 0.7, 0.0),
]
RULES["rwkv7"] = [
    (r"\.x_[rwkvag]$", 0.5, 0.5),
    (r"\.k_[ka]$", 0.3, 0.9),
    (r"\.r_k$", 0.3, 0.0),
    (r"w_lora\.lora\.2\.bias$", 3.0, -2.0),
    (r"[av]_lora\.lora\.2\.bias$", 1.0, 0.0),
]

GENERAL = [
    (r"(norm\w*|ln\w*)\.weight$", 0.3, 1.0, 1),  # norms: vectors around one
    (r"bias$", 0.2, 0.0, 1),
    (r"(embeddings?|embed_tokens)\.weight$", 1.0, 0.0, 2),
    (r"", FAN_IN, 0.0, None),
]


def kind(family: str, name: str, shape) -> tuple[float, float]:
    for pattern, scale, offset in RULES.get(family, []):
        if re.search(pattern, name):
            return (scale(shape) if callable(scale) else scale), offset
    for pattern, scale, offset, rank in GENERAL:
        if re.search(pattern, name) and rank in (None, len(shape)):
            return (scale(shape) if callable(scale) else scale), offset
    raise ValueError(name)
