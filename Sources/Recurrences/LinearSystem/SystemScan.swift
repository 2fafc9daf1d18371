/// The loops of ``DiagonalSystem`` and ``LowRankSystem`` over time, sixteen channels in the lanes.

import CKernels
import RunnelKernels
import RunnelTensors

struct SystemScan: LaneRecurrence {
  var name: StaticString { hasRank ? "LowRankSystem" : "DiagonalSystem" }
  let segment: Segment
  /// u; then a and c, or all of a system with rank one, d, r, w, b and c; D.
  var operands: [Tensor]
  let channels: Int
  private let N: Int
  private let hasRank: Bool

  init(u: Tensor, _ system: [Tensor], D: Tensor, states N: Int, resets: Resets) {
    segment = Segment(batch: u.shape[0], length: u.shape[1], resets: resets)
    operands = [u] + system + [D]
    (channels, self.N, hasRank) = (u.shape[2], N, system.count == 1)
  }

  var size: Int { 2 * N }
  var gathering: [Gathering] { [.perToken] + Array(repeating: .shared, count: operands.count - 1) }
  private var u: Tensor { operands[0] }
  func isInPlace(_ pass: Pass) -> Bool { pass == .stream }
  func room(for pass: Pass) -> Int {
    pass == .gradient ? (keptChunk + 1) * memory + keptChunk * laneCount : 0
  }

  /// The parts of a system that begins at `d` and goes on at `c`, each `size` floats.
  private func parts(_ d: MutableFloats, _ c: MutableFloats, _ D: MutableFloats?, size: Int) -> runnel_system
  {
    func part(_ index: Int) -> MutableFloats? { hasRank ? d + index * size : nil }
    return runnel_system(N: N, d: d, r: part(1), w: part(2), b: part(3), c: part(4) ?? c, D: D)
  }
  private func lanes(_ x: LaneOperands) -> runnel_system {
    let last = hasRank ? 1 : 2
    return parts(x[0], x[last - 1], x[last], size: memory)
  }

  func step(_ x: LanePiece) {
    let system = lanes(x.constants)
    for t in 0..<x.count {
      for e in 0..<x.width {
        func complex(_ x: MutableFloats?, _ n: Int) -> Complex {
          guard let x else { return Complex(0, 0) }
          return Complex(Double(x[n * laneCount + e]), Double(x[(N + n) * laneCount + e]))
        }
        let u = Double(self.u.base[x.at + t * channels + e])
        let inner = (0..<N).reduce(0) { $0 + 2 * (complex(system.w, $1) * complex(x.memory, $1)).real }
        var y = Double(system.D[e]) * u
        for n in 0..<N {
          let input = hasRank ? inner * complex(system.r, n) + u * complex(system.b, n) : Complex(u, 0)
          let h = complex(system.d, n) * complex(x.memory, n) + input
          (x.memory[n * laneCount + e], x.memory[(N + n) * laneCount + e]) = (
            Float(h.real), Float(h.imaginary)
          )
          y += 2 * (complex(system.c, n) * h).real
        }
        x.y[t * channels + e] = Float(y)
      }
    }
  }

  func stream(_ x: LanePiece) {
    let row = (hasRank ? 10 : 2) * N, D = operands[operands.count - 1]
    func from(_ operand: Tensor, _ width: Int) -> MutableFloats {
      MutableFloats(mutating: operand.base + x.channel * width)
    }
    var system = parts(
      from(operands[1], row), from(operands[hasRank ? 1 : 2], row), D.isEmpty ? nil : from(D, 1), size: size)
    runnel_system_step(x.count, x.width, channels, row, &system, u.base + x.at, x.memory, x.y)
  }

  func scan(_ x: LanePiece) {
    var system = lanes(x.constants)
    runnel_system_scan(x.count, x.width, channels, &system, x.operands[0] + x.at, x.memory, x.y)
  }

  /// The paper's form: the kernel K_l = c Ā^l b and one convolution by FFT, in Double. The state comes in by its free
  /// response and leaves as Ā^T h + Σ Ā^{T−1−s} b u_s.
  func whole(_ x: LanePiece) {
    let system = lanes(x.constants)
    for e in 0..<x.width {
      let own = SystemMatrices(system.d + e, parts: hasRank ? 5 : 2, states: N, stride: laneCount)
      let inputs = (0..<x.count).map { Double(u.base[x.at + $0 * channels + e]) }
      let convolved = Fourier.convolution(own.kernel(length: x.count), inputs), h = x.memory + e
      var free = (0..<N).map { Complex(Double(h[$0 * laneCount]), Double(h[(N + $0) * laneCount])) },
        driven = free
      for t in 0..<x.count {
        own.advance(&free, by: 0)
        own.advance(&driven, by: inputs[t])
        x.y[t * channels + e] = Float(convolved[t] + own.output(free) + Double(system.D[e]) * inputs[t])
      }
      for n in 0..<N {
        (h[n * laneCount], h[(N + n) * laneCount]) = (Float(driven[n].real), Float(driven[n].imaginary))
      }
    }
  }

  func gradient(_ x: LanePiece, dy: Floats, dmemory: MutableFloats, _ d: [MutableFloats]) {
    var system = lanes(x.constants), gradients = lanes(x.sums)
    runnel_system_backward(
      x.count, x.width, channels, &system, &gradients, x.operands[0] + x.at, x.memory, dy, dmemory,
      d[0] + x.at,
      x.room)
  }
}
