/// A diagonal plus rank one time-invariant system for every channel (Gu et al. 2022, "Efficiently modeling
/// long sequences with structured state spaces"), complex, driven by real inputs:
///
///     h_t = d ⊙ h_{t−1} + r · 2 Re(w · h_{t−1}) + b u_t        y_t = 2 Re(c · h_t) + D u_t
///
/// Half of the states are kept; the others are their conjugates, which is why the product of the right factor
/// with the whole state is twice a real part. Complex rows are planar: N real parts, then N imaginary ones.

import RunnelTensors

/// One system of diagonal plus rank one for each channel, the same at all times.
public enum LowRankSystem {
  /// - Parameters:
  ///   - u: [B T E]; system: d, r, w, b, c in this order, [E 5 2N]; D: [E], or absent.
  ///   - state: [B E 2N]; in and out.
  /// - Returns: y, [B T E].
  public static func run(
    u: Tensor, system: Tensor, D: Tensor, form: Form, resets: Resets = .none, state: inout Tensor
  ) -> Tensor {
    let shape = u.shape
    precondition(
      shape.rank == 3 && system.shape.rank == 3 && system.shape[0] == shape[2] && system.shape[1] == 5
        && system.shape[2] % 2 == 0 && (D.isEmpty || D.shape == [shape[2]])
        && state.shape == [shape[0], shape[2], system.shape[2]],
      """
      LowRankSystem: u \(shape), system \(system.shape), D \(D.shape), state \(state.shape); \
      expected [B T E], [E 5 2N], [E], [B E 2N]
      """)
    return SystemScan(u: u, [system], D: D, states: system.shape[2] / 2, resets: resets).run(
      form, state: &state)
  }
}
