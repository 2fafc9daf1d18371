"""flash-linear-attention without a GPU: its own Triton kernels, run by Triton's interpreter (TRITON_INTERPRET=1).

Nothing of the library is replaced. Two gaps of the interpreter are closed: it cannot time kernels, so the first of each
kernel's tuning configurations is taken; and `range` inside a kernel yields Python integers, which lack the `.to(dtype)`
that some kernels call on a loop's index.
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
    import fla.models

    for name, module in list(sys.modules.items()):
        if name.startswith(("fla.ops", "fla.modules")):
            vars(module)["range"] = kernel_range
    return fla.models
