/// Discretisations of dc/dt = −A c + B f (Gu et al. 2020, Appendix B.3).

import RunnelKernels

extension HiPPO {
  /// How a differential equation becomes a recurrence in steps of h.
  public enum Discretization: Sendable, Hashable {
    /// c' = (I − h A) c + h B f. Unstable for large h A.
    case forwardEuler
    /// (I + h A) c' = c + h B f.
    case backwardEuler
    /// (I + h A / 2) c' = (I − h A / 2) c + h B f.
    case bilinear
    /// (I + α h A) c' = (I − (1 − α) h A) c + h B f, for α from 0 to 1; stable from ½ on.
    case generalizedBilinear(Double)
    /// c' = exp(−h A) c + A⁻¹ (I − exp(−h A)) B f: exact for a signal that is constant over a step.
    case zeroOrderHold

    /// α of the generalised bilinear form; nil for the exact one.
    public var alpha: Double? {
      switch self {
      case .forwardEuler: 0
      case .backwardEuler: 1
      case .bilinear: 0.5
      case .generalizedBilinear(let alpha): alpha
      case .zeroOrderHold: nil
      }
    }
  }
}

/// A time-invariant system of N states as dense matrices, for one step and for a chunk of steps.
struct DenseTransition: Sendable {
  static let chunk = 64
  /// Ā [N N] and B̄ [N].
  let A, B: [Double]
  /// Ā^Q [N N], and [Ā^(Q−1) B̄ … Ā B̄ B̄], [N Q]: a chunk of Q samples at once.
  let chunkA, chunkB: [Double]

  /// The continuous A [N N] and B [N] over a step of `h`.
  init(A: [Double], B: [Double], step h: Double, _ discretization: HiPPO.Discretization) {
    let N = B.count, Q = Self.chunk
    if let alpha = discretization.alpha {
      var left = A.map { alpha * h * $0 }
      var right = [Double](repeating: 0, count: N * (N + 1))
      for n in 0..<N {
        left[n * N + n] += 1
        for k in 0..<N { right[n * (N + 1) + k] = (n == k ? 1 : 0) - (1 - alpha) * h * A[n * N + k] }
        right[n * (N + 1) + N] = h * B[n]
      }
      guard let both = Lapack.solve(left, order: N, right, columns: N + 1) else {
        preconditionFailure("HiPPO: I + α h A is singular at h = \(h); choose a longer window")
      }
      (self.A, self.B) = Self.parts(both, N)
    } else {
      // exp of [−hA hB; 0 0] holds the integral beside the decay.
      var joined = [Double](repeating: 0, count: (N + 1) * (N + 1))
      for n in 0..<N {
        for k in 0..<N { joined[n * (N + 1) + k] = -h * A[n * N + k] }
        joined[n * (N + 1) + N] = h * B[n]
      }
      (self.A, self.B) = Self.parts(Lapack.exponential(joined, order: N + 1), N)
    }
    var power = self.A, columns = [self.B]
    for _ in 1..<Q { columns.append(Lapack.product(self.A, columns[columns.count - 1], m: N, n: 1, k: N)) }
    for _ in 0..<Q.trailingZeroBitCount { power = Lapack.product(power, power, m: N, n: N, k: N) }
    chunkA = power
    chunkB = (0..<N * Q).map { columns[Q - 1 - $0 % Q][$0 / Q] }
  }

  private static func parts(_ both: [Double], _ N: Int) -> (A: [Double], B: [Double]) {
    (
      (0..<N * N).map { both[$0 / N * (N + 1) + $0 % N] }, (0..<N).map { both[$0 * (N + 1) + N] }
    )
  }

  /// One sample; `scratch` [N] changes places with the coefficients.
  func step(_ f: Double, _ c: inout [Double], scratch: inout [Double]) {
    let N = B.count
    scratch.withUnsafeMutableBufferPointer { next in
      guard let next = next.baseAddress else { return }
      Lapack.apply(A, rows: N, columns: N, c, into: next)
      for n in 0..<N { next[n] += B[n] * f }
    }
    swap(&c, &scratch)
  }

  /// A chunk of samples.
  func advance(_ signal: UnsafePointer<Double>, _ c: inout [Double], scratch: inout [Double]) {
    let N = B.count
    scratch.withUnsafeMutableBufferPointer { next in
      guard let next = next.baseAddress else { return }
      Lapack.apply(chunkA, rows: N, columns: N, c, into: next)
      Lapack.apply(chunkB, rows: N, columns: Self.chunk, signal, beta: 1, into: next)
    }
    swap(&c, &scratch)
  }
}
