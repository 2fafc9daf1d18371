/// A diagonal time-invariant system for every channel (Gu et al. 2022, "On the parameterization and initialization of
/// diagonal state space models", §3.1), complex, driven by real inputs:
///
///     h_t = a ⊙ h_{t−1} + u_t        y_t = 2 Re(c · h_t) + D u_t
///
/// The input matrix is folded into c, as in the paper's kernel K_l = 2 Re Σ c_n a_n^l; the factor 2 stands for the
/// conjugate half of the states, which are not stored. Complex rows are planar: N real parts, then N imaginary ones.

import RunnelTensors

/// One complex diagonal system for each channel, the same at all times.
public enum DiagonalSystem {
  /// - Parameters:
  ///   - u: [B T E]; a, c: [E 2N]; D: [E], or absent.
  ///   - state: [B E 2N]; in and out.
  /// - Returns: y, [B T E].
  public static func run(
    u: Tensor, a: Tensor, c: Tensor, D: Tensor, form: Form, resets: Resets = .none, state: inout Tensor
  ) -> Tensor {
    let shape = u.shape
    precondition(
      shape.rank == 3 && a.shape.rank == 2 && a.shape[0] == shape[2] && a.shape[1] % 2 == 0
        && c.shape == a.shape
        && (D.isEmpty || D.shape == [shape[2]]) && state.shape == [shape[0], shape[2], a.shape[1]],
      """
      DiagonalSystem: u \(shape), a \(a.shape), c \(c.shape), D \(D.shape), state \(state.shape); \
      expected [B T E], [E 2N], [E 2N], [E], [B E 2N]
      """)
    return SystemScan(u: u, [a, c], D: D, states: a.shape[1] / 2, resets: resets).run(form, state: &state)
  }
}
