/// A filter for every channel as one ``DiagonalSystem``: a long convolution that streams.
///
///     var state = filters.initialState(batch: 1)
///     let y = filters.run(u, form: .step, state: &state)       // [B T E] → [B T E]
///
/// Channels of fewer states are filled up with poles and residues of zero.

import RunnelKernels
import RunnelTensors

/// One diagonal system for each channel, for streaming: a filter with a state.
public struct DiagonalFilters: Sendable {
  /// λ and c as pairs of a real and an imaginary part, [E n 2], one of each conjugate pair, its c doubled:
  /// k_t = Re Σ c_n λ_n^t, and d_e more at t = 0.
  public let poles, residues: Tensor
  /// d, [E].
  public let direct: Tensor
  /// The same as a ``DiagonalSystem``, planar, [E 2n].
  private let a, c: Tensor

  /// - Precondition: shapes [E n 2], [E n 2] and [E].
  public init(poles: Tensor, residues: Tensor, direct: Tensor) {
    precondition(
      poles.shape.rank == 3 && poles.shape[2] == 2 && residues.shape == poles.shape
        && direct.shape == [poles.shape[0]],
      """
      DiagonalFilters: poles \(poles.shape), residues \(residues.shape), direct \(direct.shape); \
      expected [E n 2], [E n 2], [E]
      """)
    (self.poles, self.residues, self.direct) = (poles, residues, direct)
    // The system takes twice the real part.
    (a, c) = (planar(poles, scale: 1), planar(residues, scale: 0.5))
  }

  /// One channel of each realisation, as many poles in all as the largest has.
  public init(_ realizations: [DiagonalRealization]) {
    let E = realizations.count, n = max(1, realizations.map { $0.poles.count }.max() ?? 0)
    func filled(_ numbers: (DiagonalRealization) -> [Complex]) -> Tensor {
      Tensor(
        realizations.flatMap { realization in
          let own = numbers(realization).flatMap { [Float($0.real), Float($0.imaginary)] }
          return own + Array(repeating: 0, count: 2 * n - own.count)
        }, [E, n, 2])
    }
    self.init(
      poles: filled(\.poles), residues: filled(\.residues),
      direct: Tensor(realizations.map { Float($0.direct) }))
  }

  /// How many signals are filtered side by side.
  public var channels: Int { poles.shape[0] }

  /// The state before the first token, [B channels 2N] zeros.
  public func initialState(batch: Int) -> Tensor { Tensor(zeros: [batch, channels, a.shape[1]]) }

  /// u [B T E] → y [B T E]; the state is [B E 2n].
  public func run(_ u: Tensor, form: Form, resets: Resets = .none, state: inout Tensor) -> Tensor {
    DiagonalSystem.run(u: u, a: a, c: c, D: direct, form: form, resets: resets, state: &state)
  }
}

/// [E n 2] → [E 2n], the real parts first.
private func planar(_ x: Tensor, scale: Float) -> Tensor {
  let n = x.shape[1]
  return Tensor([x.shape[0], 2 * n]) { y in
    for i in 0..<x.count { y[i / (2 * n) * 2 * n + i % 2 * n + i / 2 % n] = scale * x.base[i] }
  }
}

extension DiagonalFilters {
  /// What these filters make of inputs against what the kernels make of them.
  public struct Divergence: Sendable {
    /// ‖y − ŷ‖₂ / ‖y‖₂ over all channels, and of the worst channel.
    public let relative, worst: Double
  }

  /// Streams standard normal numbers through the filters, as many as the kernels have taps, and compares with the
  /// convolution with the kernels [E][L], by FFT in Double.
  public func divergence(from kernels: [[Double]], form: Form = .step, seed: UInt64 = 1) -> Divergence {
    precondition(kernels.count == channels, "divergence: \(kernels.count) kernels for \(channels) channels")
    let E = channels, T = kernels.first?.count ?? 0
    var generator = SeededGenerator(seed: seed), state = initialState(batch: 1)
    let u = Tensor.normal([1, T, E], using: &generator)
    let y = run(u, form: form, state: &state)
    var errors = [Double](repeating: 0, count: E), sizes = errors
    errors.withUnsafeMutableBufferPointer { errors in
      sizes.withUnsafeMutableBufferPointer { sizes in
        WorkerPool.shared.split(E, grain: 1) { range in
          for e in range {
            // Rounding in the transform would leave something of nothing to compare with.
            let isSilent = kernels[e].allSatisfy { $0 == 0 },
              inputs = (0..<T).map { Double(u.base[$0 * E + e]) }
            let expected = isSilent ? kernels[e] : Fourier.convolution(kernels[e], inputs)
            for t in 0..<T {
              let difference = Double(y.base[t * E + e]) - expected[t]
              errors[e] += difference * difference
              sizes[e] += expected[t] * expected[t]
            }
          }
        }
      }
    }
    func ratio(_ error: Double, _ size: Double) -> Double {
      size > 0 ? (error / size).squareRoot() : error.squareRoot()
    }
    return Divergence(
      relative: ratio(errors.reduce(0, +), sizes.reduce(0, +)),
      worst: zip(errors, sizes).map(ratio).max() ?? 0)
  }
}

extension DiagonalRealization {
  /// ``fit(_:tolerance:maxStates:precision:)`` for each of several kernels, on all threads.
  ///
  /// - Parameter progress: called with the number of kernels done, from the calling thread.
  public static func fit(
    _ kernels: [[Double]], tolerance: Double, maxStates: Int, precision: Precision = .single,
    progress: (Int) -> Void = { _ in }
  ) -> [Fit] {
    var fits = [Fit?](repeating: nil, count: kernels.count)
    let batch = 4 * WorkerPool.shared.threads
    for first in stride(from: 0, to: kernels.count, by: batch) {
      let count = min(batch, kernels.count - first)
      fits.withUnsafeMutableBufferPointer { fits in
        WorkerPool.shared.run(count) { i in
          fits[first + i] = fit(
            kernels[first + i], tolerance: tolerance, maxStates: maxStates, precision: precision)
        }
      }
      progress(first + count)
    }
    return fits.compactMap { $0 }
  }
}
