/// A memory of a signal in N numbers: its projection onto orthogonal functions, kept up to date sample by
/// sample (Gu et al. 2020, "HiPPO: Recurrent Memory with Optimal Polynomial Projections").
///
///     c_t = (I + α h A)⁻¹ ((I − (1 − α) h A) c_{t−1} + h B f_t)
///
/// with h = 1/t for LegS over the whole past, and h = 1 / window for time-invariant systems.

import CKernels

/// Sample i of the signal holds over the time from i to i + 1. Copying the value forks the memory.
public struct HiPPO: Sendable {
  /// Which past the memory is about.
  public let measure: Measure
  /// How a sample becomes a step of the system.
  public let discretization: Discretization
  /// The time scale θ in samples; nil for LegS over the whole past.
  public let window: Double?
  /// c, [N], in the orthonormal basis of the measure.
  public private(set) var coefficients: [Double]
  /// How many samples went in.
  public private(set) var count = 0

  private enum Engine: Sendable {
    /// LegS by its running sum: α and √(2n+1).
    case runningSum(Double, [Double])
    case held(HeldLegendre)
    case dense(DenseTransition)
  }
  private var engine: Engine
  private var scratch: [Double]

  /// - Parameters:
  ///   - size: N, at least one.
  ///   - window: in samples, positive; needed by every measure but `legs`, which without one remembers the whole past.
  public init(
    _ measure: Measure, size N: Int, discretization: Discretization = .bilinear, window: Double? = nil
  ) {
    precondition(N > 0, "HiPPO: \(N) coefficients; there must be at least one")
    precondition(
      window.map { $0 > 0 && $0.isFinite } ?? (measure == .legs),
      "HiPPO: \(measure) with a window of \(window.map { "\($0)" } ?? "none"); give a positive number of samples"
    )
    precondition(
      discretization.alpha.map { (0...1).contains($0) } ?? true,
      "HiPPO: α of \(discretization) is outside 0...1")
    self.measure = measure
    self.discretization = discretization
    self.window = window
    coefficients = Array(repeating: 0, count: N)
    scratch = coefficients
    if measure == .legs, let alpha = discretization.alpha {
      engine = .runningSum(alpha, (0..<N).map { Double(2 * $0 + 1).squareRoot() })
    } else if let window {
      let (A, B) = Self.matrices(measure, N)
      engine = .dense(DenseTransition(A: A, B: B, step: 1 / window, discretization))
    } else {
      engine = .held(HeldLegendre(size: N))
    }
  }

  /// Takes in one sample: O(N) for LegS, O(N²) for the others and for exact LegS.
  public mutating func step(_ f: Double) {
    withUnsafePointer(to: f) { advance($0, 1, isChunked: false) }
  }

  /// Takes in a whole signal: the numbers of as many steps, up to rounding, but faster.
  public mutating func mix(_ signal: [Double]) {
    signal.withUnsafeBufferPointer { signal in
      if let base = signal.baseAddress { advance(base, signal.count, isChunked: true) }
    }
  }

  private mutating func advance(_ f: UnsafePointer<Double>, _ steps: Int, isChunked: Bool) {
    let N = coefficients.count
    switch engine {
    case .runningSum(let alpha, let root):
      runnel_legs(
        steps, N, window ?? Double(count + 1), window == nil ? 1 : 0, alpha, root, f, &coefficients)
    case .held(let exact):
      for i in 0..<steps { exact.step(f[i], time: Double(count + i + 1), &coefficients) }
    case .dense(let transition):
      var done = 0
      while done < steps {
        if isChunked && steps - done >= DenseTransition.chunk {
          transition.advance(f + done, &coefficients, scratch: &scratch)
          done += DenseTransition.chunk
        } else {
          transition.step(f[done], &coefficients, scratch: &scratch)
          done += 1
        }
      }
    }
    count += steps
  }
}
