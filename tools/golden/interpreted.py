"""flash-linear-attention without a GPU: its own Triton kernels, run by Triton's interpreter (TRITON_INTERPRET=1).

Two gaps of the interpreter are closed: it cannot time kernels, so the first of each kernel's tuning configurations is
taken; and `range` inside a kernel yields Python integers, which lack the `.to(dtype)` that some kernels call on a loop's
index. One kernel is exchanged: RWKV-7's chunkwise one loses four digits (its exponentials of sums of decays grow), so long
inputs go through the library's own recurrent kernel, which short inputs always take.
"""

import builtins
import sys

import triton.runtime.autotuner

triton.runtime.autotuner.Autotuner.prune_configs = lambda self, arguments: self.configs[:1]


class Index(int):
    def to(self, dtype):
        return self


def number(bound):
    """The bound of a range: a Python number, a constant, or a scalar of the interpreter."""
    for attribute in ("value", "handle"):
        if not isinstance(bound, int) and hasattr(bound, attribute):
            bound = getattr(bound, attribute)
    return int(bound if isinstance(bound, int) else bound.data.item())


def kernel_range(*bounds):
    return [Index(i) for i in builtins.range(*map(number, bounds))]


def models():
    import fla.layers.rwkv7
    import fla.models
    from fla.ops.rwkv7 import fused_recurrent_rwkv7

    def recurrent(r, w, k, v, a, b, scale, initial_state, output_final_state, cu_seqlens, **chunking):
        return fused_recurrent_rwkv7(
            r=r, w=w, k=k, v=v, a=a, b=b, scale=scale, initial_state=initial_state,
            output_final_state=output_final_state, cu_seqlens=cu_seqlens)

    fla.layers.rwkv7.chunk_rwkv7 = recurrent
    for name, module in list(sys.modules.items()):
        if name.startswith(("fla.ops", "fla.modules")):
            vars(module)["range"] = kernel_range
    return fla.models
