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
}
