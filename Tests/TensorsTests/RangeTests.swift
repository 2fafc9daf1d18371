import Foundation
import RunnelReference
import RunnelTensors
import Testing

@Suite("what is a Float in Double is the same Float here, however large the numbers on the way")
struct RangeTests {
  static let sizes: [Float] = [0, 1e-30, 1e-3, 0.5, 1, 9.9, 10.1, 50, 86, 89, 1e4, 1e13, 2e19, 1e30, 3e38]
  /// A vector long enough for whole registers and a rest.
  static let points = sizes + sizes.map { -$0 }

  static func value(_ f: Activation, _ x: Double) -> Double {
    switch f {
    case .identity: x
    case .silu: silu(x)
    case .gelu: gelu(x)
    case .sigmoid: sigmoid(x)
    case .tanh: tanh(x)
    case .softplus: softplus(x)
    case .exp: exp(x)
    case .eluPlusOne: x > 0 ? x + 1 : exp(x)
    case .relu: max(x, 0)
    case .squaredReLU: x > 0 ? x * x : 0
    }
  }
  static func slope(_ f: Activation, _ x: Double) -> Double {
    switch f {
    case .identity: return 1
    case .silu: return sigmoid(x) * (1 + x * sigmoid(-x))
    case .gelu:
      let u = (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x), t = tanh(u)
      let bell = abs(u) > 300 ? 0 : 1 - t * t
      return 0.5 * (1 + t)
        + (bell == 0 ? 0 : 0.5 * x * bell * (2 / Double.pi).squareRoot() * (1 + 0.134145 * x * x))
    case .sigmoid: return sigmoid(x) * sigmoid(-x)
    case .tanh: return 1 - tanh(x) * tanh(x)
    case .softplus: return sigmoid(x)
    case .exp: return exp(x)
    case .eluPlusOne: return x > 0 ? 1 : exp(x)
    case .relu: return x > 0 ? 1 : 0
    case .squaredReLU: return x > 0 ? 2 * x : 0
    }
  }

  /// exp is right to 2e-7, so a sigmoid is, and what it is multiplied with until, beyond 20, it is zero or one. Results
  /// beyond 1e38 may saturate.
  static func expectNear(_ y: Float, _ expected: Double, at x: Float, _ what: String) {
    guard abs(expected) < 1e38 else { return }
    let size = max(abs(expected), 1, Double(min(abs(x), 20)))
    #expect(abs(Double(y) - expected) <= 2 * 2e-7 * size, "\(what) at \(x): \(y), not \(expected)")
  }

  @Test("activations, their slopes and their gates", arguments: Activation.allCases)
  func activations(f: Activation) {
    let x = Tensor(Self.points, [Self.points.count]), ones = Tensor(ones: x.shape)
    let y = activate(x, f), gate = gated(ones, by: x, f)
    let leaf = x.tracked()
    let slopes = gradients(of: [(activate(leaf, f), ones)], for: [leaf])[0]
    for (i, point) in Self.points.enumerated() {
      let expected = Self.value(f, Double(point))
      Self.expectNear(y.scalars[i], expected, at: point, "\(f)")
      Self.expectNear(gate.scalars[i], expected, at: point, "gate of \(f)")
      Self.expectNear(slopes.scalars[i], Self.slope(f, Double(point)), at: point, "slope of \(f)")
    }
  }

  /// What becomes of x under a norm when all of it is multiplied by c.
  static let scales: [Float] = [1, 1e9, 1e18, 1e20, 1e30, 1e38]

  @Test("norms of large rows, and their gradients", arguments: scales, [false, true])
  func norms(c: Float, isCentred: Bool) {
    let inputs = [random([3, 70], seed: 1), random([70], seed: 2)]
    expectSame(inputs) {
      let x = evaluate(c * $0[0])
      return [
        isCentred
          ? layerNorm(x, scale: $0[1], bias: nil, epsilon: 1e-6, groups: 2)
          : rmsNorm(x, scale: $0[1], epsilon: 1e-6, groups: 2)
      ]
    } reference: {
      let x = $0[0].map { Double(c) * $0 }
      return [normReference(x, scale: $0[1], epsilon: 1e-6, groups: 2, centred: isCentred)]
    }
  }

  @Test("gated norms of large rows and large gates, and their gradients", arguments: scales, [false, true])
  func gatedNorms(c: Float, normBeforeGate: Bool) {
    // A gate that the norm follows may be as large; one behind the norm is the size of the result.
    let inputs = [random([3, 70], seed: 1), random([3, 70], seed: 2, 0.1...1), random([70], seed: 3)]
    expectSame(inputs) {
      let gate: Tensor = normBeforeGate ? $0[1] : c * $0[1]
      return [
        gatedRMSNorm(
          c * $0[0], gate: gate, scale: $0[2], epsilon: 1e-6, groups: 2, normBeforeGate: normBeforeGate)
      ]
    } reference: {
      let x = $0[0].map { Double(c) * $0 }, gate = normBeforeGate ? $0[1] : $0[1].map { Double(c) * $0 }
      return [
        gatedNormReference(
          x, gate: gate, scale: $0[2], epsilon: 1e-6, groups: 2, normBeforeGate: normBeforeGate)
      ]
    }
  }
}
