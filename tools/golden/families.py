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


def simple_gla(library):
    """A layer that the library has no model of, in the library's model around GLA."""
    from fla.layers.simple_gla import SimpleGatedLinearAttention

    class SimpleGLA(library.GLAForCausalLM):
        def __init__(self, config):
            super().__init__(config)
            for i, block in enumerate(self.model.layers):
                block.attn = SimpleGatedLinearAttention(
                    hidden_size=config.hidden_size, expand_k=config.expand_k, expand_v=config.expand_v,
                    num_heads=config.num_heads, use_short_conv=config.use_short_conv, conv_size=config.conv_size,
                    norm_eps=config.norm_eps, gate_logit_normalizer=config.gate_logit_normalizer,
                    fuse_norm=config.fuse_norm, layer_idx=i)

    return SimpleGLA


def classes(family):
    if family in TRANSFORMERS:
        library, name = transformers, TRANSFORMERS[family]
    else:
        import interpreted  # before fla

        if family == "simple_gla":
            return interpreted.models().GLAConfig, simple_gla(interpreted.models())
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
