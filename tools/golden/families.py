"""The original implementations, on the CPU, in float32."""

import warnings

warnings.filterwarnings("ignore")

import transformers

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

TRANSFORMERS = {"mamba": "Mamba", "falcon_mamba": "FalconMamba", "mamba2": "Mamba2", "rwkv": "Rwkv",
                "recurrent_gemma": "RecurrentGemma"}
FLA = {"retnet": "RetNet", "gla": "GLA", "linear_attn": "LinearAttention", "delta_net": "DeltaNet",
       "gated_deltanet": "GatedDeltaNet", "hgrn2": "HGRN2", "rwkv6": "RWKV6", "rwkv7": "RWKV7", "fla_mamba": "Mamba",
       "fla_mamba2": "Mamba2"}


def classes(family):
    if family in TRANSFORMERS:
        library, name = transformers, TRANSFORMERS[family]
    else:
        import interpreted  # before fla

        library, name = interpreted.models(), FLA[family]
    return getattr(library, name + "Config"), getattr(library, name + "ForCausalLM")


def build(family, settings):
    config, model = classes(family)
    return model(config(**settings)).eval()


def load(family, folder):
    return classes(family)[1].from_pretrained(folder).float().eval()


def run(model, ids):
    # Without a cache: with one, rwkv and recurrent_gemma take every width for the hidden one.
    return model(ids, use_cache=False).logits.numpy()
