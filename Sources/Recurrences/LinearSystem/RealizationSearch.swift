/// The smallest diagonal recurrence for a filter: orders are tried from the least that the Hankel matrix allows,
/// and what counts is the error that the found numbers make.
///
/// For each order the poles are those of the shift of the leading singular vectors (``WeightedHankel``); where
/// their error is near the tolerance they are moved to make it smaller (``ModalFit``). The order is doubled away from
/// the bound until one passes, and the gap to the last that did not is halved. Laughing Hyena (Massaroli et al. 2023,
/// arXiv:2310.18780) distils convolutions into the same form by gradient descent.

import RunnelKernels

extension DiagonalRealization {
  /// A realisation, and how good it is.
  public struct Fit: Sendable {
    /// The smallest system found within the error asked for.
    public let realization: DiagonalRealization
    /// ‖k − k̂‖₂ / ‖k‖₂ over the filter's taps.
    public let error: Double
    /// max |k − k̂| / max |k|.
    public let largestError: Double
    /// No recurrence of fewer states, diagonal or not, has an error within the tolerance.
    public let leastStates: Int
    /// The relative error that no recurrence of one state fewer than this one goes below; zero for none.
    public let boundBelow: Double
  }

  /// The smallest realisation that reproduces k_0 … k_{L−1} within `tolerance` in the 2-norm, relative to the filter's;
  /// where none of at most `maxStates` does, the best that was found. What follows tap L − 1 is free but decays or
  /// persists: it never grows.
  ///
  /// The cost is that of a few products of an L/2 × L/2 matrix with as many columns as there are states.
  public static func fit(
    _ kernel: [Double], tolerance: Double, maxStates: Int, precision: Precision = .single
  ) -> Fit {
    precondition(
      tolerance > 0 && maxStates > 0 && kernel.allSatisfy(\.isFinite),
      "DiagonalRealization.fit: tolerance \(tolerance), \(maxStates) states; both must be positive, taps finite"
    )
    var search = Search(kernel, tolerance: tolerance, maxStates: maxStates, precision: precision)
    return search.run()
  }
}

private struct Search {
  let kernel: [Double]
  let norm, largest, tolerance: Double
  let maxStates: Int
  let precision: DiagonalRealization.Precision
  var matrix: WeightedHankel?
  var leastStates = 0

  struct Candidate {
    let realization: DiagonalRealization
    let error, largestError: Double
  }

  init(_ kernel: [Double], tolerance: Double, maxStates: Int, precision: DiagonalRealization.Precision) {
    (self.kernel, self.tolerance) = (kernel, tolerance)
    (self.maxStates, self.precision) = (maxStates, precision)
    let largest = kernel.reduce(0) { max($0, abs($1)) }
    norm = largest > 0 ? largest * twoNorm(kernel.map { $0 / largest }) : 0
    self.largest = largest
  }

  /// More steps gain little.
  private static let steps = 30
  private static let firstRank = 24

  mutating func run() -> DiagonalRealization.Fit {
    let none = measured(DiagonalRealization(poles: [], kernel: kernel, precision: precision))
    if none.error <= tolerance || kernel.count < 2 { return fit(none) }
    var own = WeightedHankel(taps: kernel.dropFirst().map { $0 / norm })
    let limit = max(1, min(maxStates, own.largestOrder))
    var rank = Self.firstRank
    repeat {
      own.sketch(rank: rank)
      leastStates = (1...).first { own.leastError(states: $0) <= tolerance } ?? 1
      rank *= 2
    } while leastStates >= rank / 2 && rank / 2 < limit
    matrix = own

    var failed = min(leastStates, limit) - 1, states = failed + 1, step = 1
    var best = none, found = candidate(states)
    while found.error > tolerance {
      if found.error < best.error { best = found }
      guard states < limit else {
        let whole = kernel.count - 1 <= maxStates ? refined(periodicPoles(count: kernel.count - 1)) : best
        return fit(whole.error < best.error ? whole : best)
      }
      (failed, states, step) = (states, min(limit, states + step), 2 * step)
      found = candidate(states)
    }
    while states - failed > 1 {
      let middle = (states + failed) / 2, between = candidate(middle)
      if between.error <= tolerance { (states, found) = (middle, between) } else { failed = middle }
    }
    return fit(found)
  }

  private func fit(_ candidate: Candidate) -> DiagonalRealization.Fit {
    let states = candidate.realization.states
    return DiagonalRealization.Fit(
      realization: candidate.realization, error: candidate.error, largestError: candidate.largestError,
      leastStates: leastStates,
      boundBelow: states > 0 ? matrix?.leastError(states: states - 1) ?? 0 : 0)
  }

  private func measured(_ realization: DiagonalRealization) -> Candidate {
    let difference = zip(kernel, realization.kernel(length: kernel.count)).map { $0 - $1 }
    let worst = difference.reduce(0) { max($0, abs($1)) }
    return Candidate(
      realization: realization, error: norm > 0 ? twoNorm(difference) / norm : 0,
      largestError: largest > 0 ? worst / largest : 0)
  }

  private mutating func candidate(_ states: Int) -> Candidate {
    // Two taps say nothing of a decay.
    guard kernel.count > 2 else {
      return measured(DiagonalRealization(poles: [Complex(0.5, 0)], kernel: kernel, precision: precision))
    }
    matrix?.sketch(rank: states)
    let shifted = matrix?.poles(states: states) ?? [], smallest = precision.smallestPole
    let poles = shifted.map(\.stable).map { pole in
      pole.size == 0 ? Complex(smallest, 0) : max(1, smallest / pole.size) * pole
    }
    let found = refined(spread(poles))
    // Where nothing had to be moved into the circle, there is no better start.
    guard found.error > tolerance, shifted.contains(where: { $0.size > 1 + 1e-9 }) else { return found }
    let other = refined(extensionPoles(states: states))
    return other.error < found.error ? other : found
  }

  /// The low frequencies of one and a half times the filter's length, all with the decay of its own envelope: a
  /// smooth filter that is cut off rather than faded out is a Fourier extension (Huybrechs 2010).
  private func extensionPoles(states: Int) -> [Complex] {
    let half = kernel.count / 2
    let (head, tail) = (twoNorm(Array(kernel.prefix(half))), twoNorm(Array(kernel.suffix(half))))
    let rate = tail > 0 && head > tail ? naturalLogarithm(head / tail) / Double(half) : 0
    let size = exponential(-rate), first = states % 2 == 0 ? 0.5 : 0
    return (0..<(states + 1) / 2).map { j in
      let angle = 2 * Double.pi * (Double(j) + first) / (1.5 * Double(kernel.count))
      return Complex(size * cosine(angle), size * sine(angle))
    }
  }

  /// t λ^t has two poles in one place, and two that lie too close have residues which cancel: real ones become a
  /// pair, (λ^t sin ωt) / ω, whose ω is the cube root of the precision at the scale of the decay, where what it
  /// leaves out, of the order of ω², equals what rounding adds, ε / ω.
  private func spread(_ poles: [Complex]) -> [Complex] {
    func least(_ size: Double) -> Double {
      power(precision.epsilon, 1.0 / 3) * (1 / Double(kernel.count) - naturalLogarithm(min(1, size)))
    }
    func pair(_ size: Double, positive: Bool) -> Complex {
      let angle = least(size)
      return Complex((positive ? size : -size) * cosine(angle), size * sine(angle))
    }
    var result: [Complex] = [], real: Double?
    for pole in poles.sorted(by: { $0.real < $1.real }) {
      if pole.imaginary != 0 {
        let size = pole.size, isClose = pole.imaginary < size * least(size)
        result.append(isClose ? pair(size, positive: pole.real > 0) : pole)
        real = nil
      } else if let last = real, last * pole.real > 0,
        abs(naturalLogarithm(pole.real / last)) < least(max(abs(last), abs(pole.real)))
      {
        result[result.count - 1] = pair((abs(last) + abs(pole.real)) / 2, positive: last > 0)
        real = nil
      } else {
        // Only a neighbour that stands last in the result may be merged.
        result.append(pole)
        real = pole.real
      }
    }
    return result
  }

  /// As many states as taps give any taps: a wave for each frequency of their Fourier series, decaying to a tenth
  /// over a period.
  private func periodicPoles(count: Int) -> [Complex] {
    let size = power(0.1, 1 / Double(count))
    return (0...count / 2).map { j in
      if j == 0 { return Complex(size, 0) }
      if 2 * j == count { return Complex(-size, 0) }
      let angle = 2 * Double.pi * Double(j) / Double(count)
      return Complex(size * cosine(angle), size * sine(angle))
    }
  }

  private func refined(_ poles: [Complex]) -> Candidate {
    var fit = ModalFit(
      poles: poles, taps: kernel.dropFirst().map { $0 / norm }, precision: precision.epsilon)
    // Room for rounding.
    fit.refine(to: 0.7 * tolerance, limit: Self.steps)
    return measured(DiagonalRealization(poles: fit.poles, kernel: kernel, precision: precision))
  }
}

private func twoNorm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
