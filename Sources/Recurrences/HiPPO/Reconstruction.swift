/// The remembered signal, from the coefficients: f(s) ≈ Σ c_n φ_n(s).

import RunnelKernels

extension HiPPO {
  /// The times, in samples, that the memory covers: the whole past, the last window, or, where the weight
  /// fades exponentially, everything up to now.
  public var covered: ClosedRange<Double> {
    let now = Double(count)
    guard let window else { return 0...now }
    return (measure == .legt || measure == .fourier ? now - window : -.infinity)...now
  }

  /// The signal at times in samples (sample i is at i + ½), each inside ``covered``.
  public func reconstruct(at times: [Double]) -> [Double] {
    let now = Double(count), covered = covered
    return times.map { time in
      precondition(
        covered.contains(time), "reconstruct: time \(time) is outside \(covered), which the memory covers")
      let basis = basis(age: count == 0 && window == nil ? 0 : (now - time) / (window ?? now))
      return zip(coefficients, basis).reduce(0) { $0 + $1.0 * $1.1 }
    }
  }

  /// The signal at the middle of `points` equal parts of the past: of all of it for LegS, else of the last
  /// window.
  public func reconstruct(points: Int) -> [Double] { reconstruct(at: times(points: points)) }

  /// The times of ``reconstruct(points:)``.
  public func times(points: Int) -> [Double] {
    let length = window ?? Double(count), start = Double(count) - length
    return (0..<points).map { start + length * (Double($0) + 0.5) / Double(points) }
  }

  /// φ_n at an age in units of the window (of the whole past for LegS without one).
  private func basis(age: Double) -> [Double] {
    let N = coefficients.count
    switch measure {
    case .legs: return Self.legendre(window == nil ? 1 - 2 * age : 2 * exponential(-age) - 1, N)
    case .legt: return Self.legendre(1 - 2 * age, N)
    case .lagt: return Self.laguerre(age, N)
    case .fourier:
      return (0..<N).map { n in
        let angle = 2 * Double.pi * Double((n + 1) / 2) * age
        return n == 0 ? 1 : 2.0.squareRoot() * (n % 2 == 1 ? cosine(angle) : sine(angle))
      }
    }
  }

  /// √(2n+1) P_n(x) for n < N: orthonormal on [−1, 1] of weight ½.
  static func legendre(_ x: Double, _ N: Int) -> [Double] {
    var (previous, current) = (0.0, 1.0)
    return (0..<N).map { n in
      let value = Double(2 * n + 1).squareRoot() * current, m = Double(n)
      (previous, current) = (current, ((2 * m + 1) * x * current - m * previous) / (m + 1))
      return value
    }
  }

  /// L_n(x) for n < N: orthonormal on [0, ∞) of weight e^{−x}.
  static func laguerre(_ x: Double, _ N: Int) -> [Double] {
    var (previous, current) = (0.0, 1.0)
    return (0..<N).map { n in
      let value = current, m = Double(n)
      (previous, current) = (current, ((2 * m + 1 - x) * current - m * previous) / (m + 1))
      return value
    }
  }
}
