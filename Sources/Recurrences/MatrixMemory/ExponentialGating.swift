/// The matrix memory with exponential input gates and a normaliser: the memory of mLSTM.
///
///     C_t = f_t C_{t−1} + i_t k_tᵀ v_t;   n_t = f_t n_{t−1} + i_t k_t;   h_t = q_t C_t / max(|q_t · n_t|, 1)
///
/// with i = exp(ĩ), which may be larger than any Float (Beck et al. 2024, "xLSTM", equations 19 to 27). What
/// is kept is therefore C exp(−m) and n exp(−m), for a running maximum m_t = max(log f_t + m_{t−1}, ĩ_t)
/// (equation 15), and the one in the denominator becomes exp(−m):
///
///     C_t = exp(log f_t + m_{t−1} − m_t) C_{t−1} + exp(ĩ_t − m_t) k_tᵀ v_t, the same for n;
///     h_t = q_t C_t / max(|q_t · n_t|, exp(−m_t))

import RunnelKernels
import RunnelTensors

/// mLSTM's memory: a matrix and a normaliser, on the scale of a running maximum.
public enum ExponentialGating {
  /// Runs over T tokens: q, k [B T H K], v [B T H V], the logarithms of both gates [B T H], that of the
  /// forget gate not positive → h [B T H V].
  ///
  /// The memory is C, [B H K V], the normaliser n, [B H K 1], and the maximum m, [B H]. All start at zero,
  /// and return to it at a reset. Any m gives the same h, but C and n mean nothing without theirs.
  ///
  /// Gradients flow to every operand and through the memory.
  public static func run(
    q: Tensor, k: Tensor, v: Tensor, logInput: Tensor, logForget: Tensor, form: Form, resets: Resets = .none,
    memory: inout Tensor, normalizer: inout Tensor, maximum: inout Tensor
  ) -> Tensor {
    let (B, T, H, V) = (v.shape[0], v.shape[1], v.shape[2], v.shape[3])
    precondition(
      logInput.shape == [B, T, H] && logForget.shape == [B, T, H] && maximum.shape == [B, H],
      """
      ExponentialGating: gates of \(logInput.shape) and \(logForget.shape) and a maximum of \(maximum.shape) \
      for v \(v.shape); give [B T H] and [B H]
      """)
    let (m, fall) = runningMaximum(
      logInput: logInput, logForget: logForget, resets: resets, from: &maximum)
    let keys = scaledRows(k, by: relative(logInput, m))
    let decay = MatrixMemory.Decay.perToken(logForget + fall)
    func run(_ v: Tensor, _ state: inout Tensor) -> Tensor {
      MatrixMemory.run(q: q, k: keys, v: v, decay: decay, form: form, resets: resets, state: &state)
    }
    // C and n differ in v only, which is one for n. A step changes each in place. The other forms run both as
    // one matrix, since q kᵀ and its decays are then made once: training is up to twice as fast with heads of
    // 32, by a tenth with 256.
    let ones = Tensor(ones: [B, T, H, 1])
    let sums: [Tensor]
    if form == .step {
      sums = [run(v, &memory), run(ones, &normalizer)]
    } else {
      var both = concatenated([memory, normalizer])
      sums = split(run(concatenated([v, ones]), &both), sizes: [V, 1])
      let states = split(both, sizes: [V, 1])
      (memory, normalizer) = (states[0], states[1])
    }
    return divided(sums[0], by: denominator(sums[1], m.reshaped([B, T, H, 1])))
  }
}

/// max(|q · n|, exp(−m)); where they are equal the gradient is that of exp(−m), which is none. Within the range of Float: beyond it
/// h is zero, or exp(−m) too small to matter.
private let denominator = Equation { weight, m in
  maximum(exp(minimum(maximum(-m, -80), 80)), abs(weight))
}
/// exp(ĩ − m).
private let relative = Equation { logInput, m in exp(logInput - m) }

/// The running maximum m_t, and m_{t−1} − m_t, both [B T H]: constants for the gradient. h does not depend on m, since C, n and
/// exp(−m) carry the same factor, so what flows through it sums to zero.
private func runningMaximum(
  logInput: Tensor, logForget: Tensor, resets: Resets, from state: inout Tensor
) -> (maximum: Tensor, fall: Tensor) {
  let (B, T, H) = (logInput.shape[0], logInput.shape[1], logInput.shape[2])
  let fall = Tensor(uninitialized: logInput.shape), maximum = Tensor(uninitialized: logInput.shape)
  guard T > 0 else { return (maximum, fall) }
  state.mutate { state in
    for b in 0..<B {
      let m = state + b * H
      for stretch in resets.stretches(row: b, length: T) {
        if stretch.isFresh { m.update(repeating: 0, count: H) }
        for i in (b * T + stretch.range.lowerBound) * H..<(b * T + stretch.range.upperBound) * H {
          let h = i % H, log = logForget.base[i]
          var next = max(log + m[h], logInput.base[i])
          // Rounding must not make the decay larger than one.
          if log + (m[h] - next) > 0 { next = next.nextUp }
          fall.storage.base[i] = m[h] - next
          maximum.storage.base[i] = next
          m[h] = next
        }
      }
    }
  }
  return (maximum, fall)
}
