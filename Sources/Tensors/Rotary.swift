/// Rotary position embedding (Su et al. 2021): pair i of a head's features turns by position · frequency i.

import CKernels
import RunnelKernels

/// `x` [… H K] with its pairs turned by position · base^(−2i/K), one position for each […].
///
/// A pair is (2i, 2i + 1) if interleaved, else (i, i + K/2).
public func rotary(
  _ x: Tensor, positions: [Int32], base: Double = 10_000, interleaved: Bool, inverse: Bool = false
) -> Tensor {
  let half = x.shape.width / 2
  return rotary(
    x, positions: positions, frequencies: (0..<half).map { power(base, -Double($0) / Double(half)) },
    interleaved: interleaved, inverse: inverse)
}

/// The same with any K/2 frequencies.
public func rotary(
  _ x: Tensor, positions: [Int32], frequencies: [Double], interleaved: Bool, inverse: Bool = false
) -> Tensor {
  precondition(x.shape.rank >= 2, "rotary: \(x.shape); the last axes must be [H K]")
  let (heads, k) = (x.shape[x.shape.rank - 2], x.shape.width)
  precondition(
    k == 2 * frequencies.count,
    "rotary: \(frequencies.count) frequencies for \(x.shape); K must be twice that")
  precondition(
    positions.count * heads == x.shape.rows,
    "rotary: \(positions.count) positions for \(x.shape); one for each of \(x.shape.rows / max(1, heads))")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let angles = cosinesAndSines(positions, frequencies)
  let y = rotated(x, angles, heads: heads, interleaved: interleaved, inverse: inverse)
  guard x.isTracked else { return y }
  return record(y, from: [x]) {
    [rotated($0, angles, heads: heads, interleaved: interleaved, inverse: !inverse)]
  }
}

private func rotated(
  _ x: Tensor, _ angles: Tensor, heads: Int, interleaved: Bool, inverse: Bool
) -> Tensor {
  let k = x.shape.width
  return Tensor(x.shape) { y in
    splitRows(angles.shape[0], width: heads * k) {
      let i = $0.lowerBound * heads * k
      runnel_rotate(
        interleaved ? 1 : 0, inverse ? -1 : 1, $0.count, heads, k / 2, angles.base + $0.lowerBound * k,
        x.base + i, y + i)
    }
  }
}

/// The cosines and then the sines of position · frequency, [positions K].
///
/// In Double, and by angle addition: position p is 64 q + r, the 64 remainders are tabulated once and the multiples
/// once for each run of neighbours. Position 10^8 is exact to 1e-8, and a position has the same bits in any segment.
private func cosinesAndSines(_ positions: [Int32], _ frequencies: [Double]) -> Tensor {
  let half = frequencies.count
  func fill(_ phases: inout [Double], _ place: Int, _ position: Int32) {
    for i in 0..<half {
      let angle = Double(position) * frequencies[i]
      phases[place + i] = cosine(angle)
      phases[place + half + i] = sine(angle)
    }
  }
  let isTabulated = positions.count >= 64
  var remainders = [Double](repeating: 0, count: isTabulated ? 64 * 2 * half : 0)
  if isTabulated { for r in 0..<64 { fill(&remainders, r * 2 * half, Int32(r)) } }

  return Tensor([positions.count, 2 * half]) { table in
    WorkerPool.shared.split(positions.count, grain: 64) { range in
      var multiples = [Double](repeating: 0, count: 2 * half)
      var single = multiples
      var current: Int32?
      for row in range {
        let (q, r) = (positions[row] & ~63, positions[row] & 63)
        if q != current { fill(&multiples, 0, q) }
        current = q
        if !isTabulated { fill(&single, 0, r) }
        let small = isTabulated ? remainders[(Int(r) * 2 * half)..<(Int(r) + 1) * 2 * half] : single[...]
        let start = small.startIndex
        let out = table + row * 2 * half
        for i in 0..<half {
          let (c, s) = (multiples[i], multiples[half + i])
          let (c1, s1) = (small[start + i], small[start + half + i])
          out[i] = Float(c * c1 - s * s1)
          out[half + i] = Float(s * c1 + c * s1)
        }
      }
    }
  }
}
