"""The original implementations, on the CPU, in float32."""

import transformers

transformers.utils.logging.disable_progress_bar()

NAMES = {"mamba": "Mamba", "falcon_mamba": "FalconMamba", "mamba2": "Mamba2", "rwkv": "Rwkv",
         "recurrent_gemma": "RecurrentGemma"}


def classes(family):
    name = NAMES[family]
    return getattr(transformers, name + "Config"), getattr(transformers, name + "ForCausalLM")


def build(family, settings):
    config, model = classes(family)
    return model(config(**settings)).eval()


def load(family, folder):
    return classes(family)[1].from_pretrained(folder).float().eval()


def run(model, ids):
    # Without a cache: with one, rwkv and recurrent_gemma take every width for the hidden one.
    return model(ids, use_cache=False).logits.numpy()
