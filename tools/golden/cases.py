"""The shapes: small, and different in everything that a reader of such a folder can get wrong."""

CASES = {
    "mamba-tied": ("mamba", dict(
        hidden_size=48, state_size=8, num_hidden_layers=3, vocab_size=61)),
    "mamba-biases": ("mamba", dict(
        hidden_size=40, state_size=5, num_hidden_layers=2, vocab_size=50, expand=3, conv_kernel=3, use_bias=True,
        use_conv_bias=False, time_step_rank=7, tie_word_embeddings=False, layer_norm_epsilon=1e-6)),
    "falcon-mamba-untied": ("falcon_mamba", dict(
        hidden_size=48, state_size=16, num_hidden_layers=2, vocab_size=61, tie_word_embeddings=False)),
    "falcon-mamba-biases": ("falcon_mamba", dict(
        hidden_size=36, state_size=6, num_hidden_layers=3, vocab_size=50, expand=1, conv_kernel=2, use_bias=True,
        mixer_rms_eps=1e-3, time_step_rank=5)),
    "mamba2-one-group": ("mamba2", dict(
        hidden_size=48, expand=2, num_heads=6, head_dim=16, n_groups=1, state_size=16, num_hidden_layers=2,
        vocab_size=61, chunk_size=64)),
    "mamba2-limits": ("mamba2", dict(
        hidden_size=40, expand=2, num_heads=8, head_dim=10, n_groups=2, state_size=12, num_hidden_layers=3,
        vocab_size=50, conv_kernel=3, use_bias=True, use_conv_bias=False, time_step_limit=[0.05, 0.2],
        tie_word_embeddings=True, chunk_size=100, layer_norm_epsilon=1e-3)),
    "mamba2-groups": ("mamba2", dict(
        hidden_size=56, expand=1, num_heads=8, head_dim=7, n_groups=8, state_size=9, num_hidden_layers=2,
        vocab_size=37)),
    "rwkv-plain": ("rwkv", dict(
        hidden_size=32, num_hidden_layers=3, vocab_size=61)),
    "rwkv-rescaled": ("rwkv", dict(
        hidden_size=36, attention_hidden_size=24, intermediate_size=50, num_hidden_layers=5, vocab_size=50,
        rescale_every=2, layer_norm_epsilon=1e-3, tie_word_embeddings=True)),
    "recurrent-gemma-mqa": ("recurrent_gemma", dict(
        hidden_size=32, intermediate_size=96, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=1,
        attention_window_size=64, vocab_size=61)),
    "recurrent-gemma-wide": ("recurrent_gemma", dict(
        hidden_size=48, lru_width=36, intermediate_size=90, num_hidden_layers=4, num_attention_heads=3,
        attention_window_size=100, conv1d_width=3, logits_soft_cap=5.0, block_types=["recurrent", "attention"],
        attention_bias=True, rms_norm_eps=1e-3, vocab_size=50,
        rope_parameters=dict(rope_type="default", rope_theta=300.0, partial_rotary_factor=0.5))),
    "recurrent-gemma-gqa": ("recurrent_gemma", dict(
        hidden_size=64, lru_width=80, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, attention_window_size=17, vocab_size=37)),
    "mamba-own-head": ("mamba", dict(
        hidden_size=32, state_size=6, num_hidden_layers=2, vocab_size=37)),
    "recurrent-gemma-relu": ("recurrent_gemma", dict(
        hidden_size=32, lru_width=48, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2,
        attention_window_size=33, vocab_size=37, hidden_activation="relu")),
    "recurrent-gemma-tanh": ("recurrent_gemma", dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1,
        attention_window_size=100, vocab_size=37, hidden_activation="tanh")),

    "retnet-plain": ("retnet", dict(
        hidden_size=48, num_heads=4, num_hidden_layers=2, intermediate_size=80, vocab_size=61)),
    "retnet-grouped": ("retnet", dict(
        hidden_size=48, num_heads=4, num_kv_heads=2, expand_k=0.5, expand_v=1.0, num_hidden_layers=3,
        intermediate_size=70, vocab_size=50, use_output_gate=False, norm_eps=1e-3, tie_word_embeddings=True)),
    "retnet-unfused": ("retnet", dict(
        hidden_size=40, num_heads=2, expand_k=1.0, expand_v=1.5, num_hidden_layers=2, intermediate_size=64,
        vocab_size=37, feature_map="relu", fuse_norm=False, fuse_swiglu=False)),
    "gla-plain": ("gla", dict(
        hidden_size=48, num_heads=4, num_hidden_layers=2, vocab_size=61)),
    "gla-options": ("gla", dict(
        hidden_size=48, num_heads=4, num_kv_heads=2, num_hidden_layers=3, intermediate_size=70, vocab_size=50,
        use_short_conv=True, conv_size=3, use_output_gate=False, clamp_min=-0.04, feature_map="relu", norm_eps=1e-3,
        tie_word_embeddings=True)),
    "gla-unfused": ("gla", dict(
        hidden_size=40, num_heads=2, expand_k=1.0, expand_v=2.0, num_hidden_layers=2, intermediate_size=64,
        vocab_size=37, fuse_norm=False, elementwise_affine=False)),
    "gla-own-head": ("gla", dict(
        hidden_size=32, num_heads=2, num_hidden_layers=2, intermediate_size=48, vocab_size=37,
        tie_word_embeddings=True)),
    "linear-attn-product": ("linear_attn", dict(
        hidden_size=48, num_heads=4, num_hidden_layers=2, intermediate_size=80, vocab_size=61)),
    "linear-attn-elu": ("linear_attn", dict(
        hidden_size=48, num_heads=4, num_kv_heads=2, expand_k=0.5, num_hidden_layers=3, intermediate_size=70,
        vocab_size=50, feature_map="elu", norm_feature_map=True, norm_q=True, norm_k=True, norm_eps=1e-3,
        tie_word_embeddings=True)),
    "linear-attn-hedgehog": ("linear_attn", dict(
        hidden_size=40, num_heads=2, expand_v=1.5, num_hidden_layers=2, intermediate_size=64, vocab_size=37,
        feature_map="hedgehog", norm_feature_map=True)),
    "delta-net-plain": ("delta_net", dict(
        attn_mode="fused_recurrent", hidden_size=48, num_heads=3, num_hidden_layers=2, intermediate_size=80,
        vocab_size=61)),
    "delta-net-gated": ("delta_net", dict(
        attn_mode="fused_recurrent", hidden_size=48, num_heads=4, expand_k=0.5, num_hidden_layers=3,
        intermediate_size=70, vocab_size=50, use_gate=True, use_short_conv=False, qk_activation="elu", qk_norm="sum",
        allow_neg_eigval=True, norm_eps=1e-3, tie_word_embeddings=True)),
    "delta-net-relu": ("delta_net", dict(
        attn_mode="fused_recurrent", hidden_size=40, num_heads=2, expand_v=1.5, num_hidden_layers=2,
        intermediate_size=64, vocab_size=37, conv_size=3, qk_activation="relu", use_beta=False)),
    "gated-deltanet-plain": ("gated_deltanet", dict(
        hidden_size=48, num_heads=2, head_dim=16, num_hidden_layers=2, intermediate_size=80, vocab_size=61)),
    "gated-deltanet-values": ("gated_deltanet", dict(
        hidden_size=40, num_heads=2, num_v_heads=4, head_dim=12, expand_v=1.0, num_hidden_layers=2,
        intermediate_size=70, vocab_size=50, use_gate=False, use_short_conv=False, allow_neg_eigval=True,
        norm_eps=1e-3, tie_word_embeddings=True)),
    "gated-deltanet-sigmoid": ("gated_deltanet", dict(
        hidden_size=36, num_heads=3, head_dim=8, expand_v=1.5, num_hidden_layers=2, intermediate_size=64,
        vocab_size=37, conv_size=3, output_gate_activation="sigmoid")),
    "hgrn2-bounds": ("hgrn2", dict(
        hidden_size=48, expand_ratio=16, num_hidden_layers=3, intermediate_size=80, vocab_size=61)),
    "hgrn2-convolutions": ("hgrn2", dict(
        hidden_size=40, num_heads=4, expand_ratio=None, num_hidden_layers=2, intermediate_size=70, vocab_size=50,
        use_lower_bound=False, use_short_conv=True, conv_size=3, norm_eps=1e-3, tie_word_embeddings=True)),
    "rwkv6-plain": ("rwkv6", dict(
        hidden_size=48, num_heads=4, num_hidden_layers=2, vocab_size=61, proj_low_rank_dim=8, gate_low_rank_dim=12)),
    "rwkv6-square": ("rwkv6", dict(
        hidden_size=36, num_heads=3, expand_k=1.0, num_hidden_layers=3, intermediate_size=70, vocab_size=50,
        proj_low_rank_dim=4, gate_low_rank_dim=6, norm_first=False, norm_bias=False, norm_eps=1e-3, fuse_norm=False,
        tie_word_embeddings=True)),
    "rwkv7-plain": ("rwkv7", dict(
        hidden_size=48, head_dim=16, num_hidden_layers=2, vocab_size=61, decay_low_rank_dim=8, gate_low_rank_dim=12,
        a_low_rank_dim=6, v_low_rank_dim=4)),
    "rwkv7-unfused": ("rwkv7", dict(
        hidden_size=40, head_dim=8, num_hidden_layers=3, intermediate_size=70, vocab_size=50, decay_low_rank_dim=5,
        gate_low_rank_dim=9, a_low_rank_dim=7, v_low_rank_dim=3, norm_first=False, norm_bias=False, norm_eps=1e-4,
        fuse_norm=False, tie_word_embeddings=True)),
    "rwkv7-own-ranks": ("rwkv7", dict(
        hidden_size=48, head_dim=24, num_hidden_layers=2, vocab_size=37, intermediate_size=None, hidden_ratio=None,
        decay_low_rank_dim=None, gate_low_rank_dim=None, a_low_rank_dim=None, v_low_rank_dim=None)),
    "rwkv7-one-head": ("rwkv7", dict(
        hidden_size=32, head_dim=32, num_hidden_layers=2, intermediate_size=64, vocab_size=37, decay_low_rank_dim=8,
        gate_low_rank_dim=8, a_low_rank_dim=8, v_low_rank_dim=8, norm_bias=False)),
    "fla-mamba": ("fla_mamba", dict(
        hidden_size=40, state_size=6, num_hidden_layers=2, vocab_size=50, conv_kernel=3, dt_rank=5, norm_eps=1e-4,
        use_bias=True)),
    "fla-mamba2-one-group": ("fla_mamba2", dict(
        hidden_size=48, head_dim=16, state_size=12, num_hidden_layers=2, vocab_size=61, norm_eps=1e-4,
        dt_limit=[0.05, 0.2], chunk_size=64)),
    "fla-mamba2-no-norm": ("fla_mamba2", dict(
        hidden_size=40, expand=1, head_dim=10, n_groups=4, state_size=7, num_hidden_layers=2, vocab_size=50,
        conv_kernel=3, use_bias=True, use_conv_bias=False, D_has_hdim=True, rmsnorm=False, tie_word_embeddings=True)),
    "fla-mamba2-norm-first": ("fla_mamba2", dict(
        hidden_size=40, expand=2, head_dim=20, n_groups=4, state_size=7, num_hidden_layers=2, vocab_size=37,
        norm_before_gate=True)),
    "simple-gla-plain": ("simple_gla", dict(
        hidden_size=48, num_heads=4, expand_k=1.0, use_short_conv=True, gate_logit_normalizer=16, num_hidden_layers=2,
        intermediate_size=80, vocab_size=61, norm_eps=1e-5)),
    "simple-gla-bare": ("simple_gla", dict(
        hidden_size=40, num_heads=2, expand_k=0.5, expand_v=1.5, use_short_conv=False, gate_logit_normalizer=8,
        num_hidden_layers=3, intermediate_size=64, vocab_size=37, norm_eps=1e-3, fuse_norm=False,
        tie_word_embeddings=True)),
}

# Layers without a model of their own library: their files lie apart.
LAYERS = {"simple_gla"}

# Folders whose configuration ties the head to the embedding, and whose file holds another head all the same: the
# libraries keep it.
OWN_HEADS = {"mamba-own-head": "lm_head.weight", "gla-own-head": "lm_head.weight"}
