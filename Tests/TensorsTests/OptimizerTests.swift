/// The updates of optimisers, against the papers in Double and against torch.

import Foundation
import RunnelReference
import RunnelTensors
import Testing

/// An optimiser as `OptimizerGolden` calls it, as an update and as a Double loop.
enum TestedOptimizer: String, CaseIterable, Sendable {
  case adamw, adam, sgd, momentum, nesterov, lion, muon

  static let scale = UpdateScale(learningRate: 0.05, weightDecay: 0.1, gradient: 1)

  func update(
    _ weight: inout Tensor, _ gradient: Tensor, _ first: inout Tensor, _ second: inout Tensor, step: Int,
    _ scale: UpdateScale = scale
  ) {
    switch self {
    case .adamw, .adam:
      adamUpdate(
        &weight, gradient: gradient, firstMoment: &first, secondMoment: &second, step: step, beta1: 0.9,
        beta2: 0.98, epsilon: 1e-8, isCoupled: self == .adam, scale)
    case .sgd:
      var none = Tensor.absent
      sgdUpdate(&weight, gradient: gradient, velocity: &none, momentum: 0, scale)
    case .momentum, .nesterov:
      sgdUpdate(
        &weight, gradient: gradient, velocity: &first, momentum: 0.9, isNesterov: self == .nesterov, scale)
    case .lion: lionUpdate(&weight, gradient: gradient, momentum: &first, beta1: 0.9, beta2: 0.98, scale)
    case .muon: muonUpdate(&weight, gradient: gradient, velocity: &first, momentum: 0.95, scale)
    }
  }

  /// The same as the papers write it, for a matrix of `columns`; m and v are what is kept.
  func reference(
    _ w: inout [Double], _ gradient: [Double], _ m: inout [Double], _ v: inout [Double], step t: Int,
    columns: Int, _ scale: UpdateScale = scale
  ) {
    let (lr, decay) = (scale.learningRate, scale.weightDecay), g = gradient.map { scale.gradient * $0 }
    if self == .muon {
      for i in w.indices { m[i] = 0.95 * m[i] + 0.05 * g[i] }
      let u = w.indices.map { 0.95 * m[$0] + 0.05 * g[$0] }
      let step = Self.orthogonal(u, columns: columns)
      let factor = 0.2 * Double(max(columns, w.count / columns)).squareRoot()
      for i in w.indices { w[i] = (1 - lr * decay) * w[i] - lr * factor * step[i] }
      return
    }
    for i in w.indices {
      let pulled = g[i] + decay * w[i]
      switch self {
      case .adamw, .adam:
        let gradient = self == .adam ? pulled : g[i]
        m[i] = 0.9 * m[i] + 0.1 * gradient
        v[i] = 0.98 * v[i] + 0.02 * gradient * gradient
        let step =
          m[i] / (1 - pow(0.9, Double(t))) / ((v[i] / (1 - pow(0.98, Double(t)))).squareRoot() + 1e-8)
        w[i] -= lr * (step + (self == .adamw ? decay * w[i] : 0))
      case .sgd: w[i] -= lr * pulled
      case .momentum, .nesterov:
        m[i] = 0.9 * m[i] + pulled
        w[i] -= lr * (self == .nesterov ? pulled + 0.9 * m[i] : m[i])
      case .lion, .muon:
        let mixed = 0.9 * m[i] + 0.1 * g[i]
        w[i] -= lr * ((mixed > 0 ? 1 : mixed < 0 ? -1 : 0) + decay * w[i])
        m[i] = 0.98 * m[i] + 0.02 * g[i]
      }
    }
  }

  /// Five Newton–Schulz iterations X ← a X + (b A + c A²) X of X = G / ‖G‖, A = X Xᵀ.
  static func orthogonal(_ g: [Double], columns n: Int) -> [Double] {
    let m = g.count / n
    if m > n { return transposed(orthogonal(transposed(g, columns: n), columns: m), columns: m) }
    func product(_ a: [Double], _ b: [Double], _ inner: Int, _ columns: Int) -> [Double] {
      var c = [Double](repeating: 0, count: a.count / inner * columns)
      for i in 0..<a.count / inner {
        for k in 0..<inner {
          for j in 0..<columns { c[i * columns + j] += a[i * inner + k] * b[k * columns + j] }
        }
      }
      return c
    }
    let norm = max(dot(g, g).squareRoot(), 1e-7)
    var x = g.map { $0 / norm }
    for _ in 0..<5 {
      let gram = product(x, transposed(x, columns: n), n, m), square = product(gram, gram, m, m)
      let polynomial = zip(gram, square).map { -4.7750 * $0 + 2.0315 * $1 }
      x = zip(x, product(polynomial, x, m, n)).map { 3.4445 * $0 + $1 }
    }
    return x
  }

  private static func transposed(_ x: [Double], columns n: Int) -> [Double] {
    (0..<x.count).map { x[$0 % (x.count / n) * n + $0 / (x.count / n)] }
  }
}

@Suite("the fused updates of optimisers")
struct OptimizerTests {
  @Test(
    "every update is its paper's, step after step", arguments: TestedOptimizer.allCases,
    [([1, 1], 1.0), ([7, 9], 0.25), ([31, 17], 1), ([200, 211], 0.5)] as [(Shape, Double)])
  func reference(optimizer: TestedOptimizer, instance: (shape: Shape, clipping: Double)) {
    let shape = instance.shape
    let scale = UpdateScale(learningRate: 0.01, weightDecay: 0.1, gradient: instance.clipping)
    var weight = random(shape, seed: 1), first = Tensor(zeros: shape), second = first
    var (w, m, v) = (weight.doubles, first.doubles, second.doubles)
    for step in 1...5 {
      let gradient = random(shape, seed: UInt64(10 + step))
      optimizer.update(&weight, gradient, &first, &second, step: step, scale)
      optimizer.reference(&w, gradient.doubles, &m, &v, step: step, columns: shape[1], scale)
    }
    // Muon's polynomial multiplies what is off by 3.4 in each of its five rounds.
    #expect(relativeError(weight, w) < (optimizer == .muon ? 1e-5 : 1e-6))
    #expect(relativeError(first, m) < 1e-6 && relativeError(second, v) < 1e-6)
  }

  @Test(
    "every update gives the weights that torch gives", arguments: TestedOptimizer.allCases,
    [[3, 5], [5, 3]] as [Shape])
  func golden(optimizer: TestedOptimizer, shape: Shape) throws {
    func values(_ element: (Double) -> Double) -> Tensor {
      Tensor((0..<shape.elements).map { Float(element(Double($0))) }, shape)
    }
    var weight = values { 0.5 * sin(1.7 * $0 + 0.3) }, first = Tensor(zeros: shape), second = first
    for step in 1...4 {
      let t = Double(step), gradient = values { (0.2 + 0.1 * t) * cos(2.3 * $0 + 5.1 * t) }
      optimizer.update(&weight, gradient, &first, &second, step: step)
    }
    let expected = try #require(optimizerGolden["\(optimizer.rawValue) \(shape[0]) \(shape[1])"])
    #expect(relativeError(weight, expected) < (optimizer == .muon ? 1e-5 : 1e-6))
  }

  @Test(
    "a step of Muon does not depend on how large the gradient is, down to one of next to nothing",
    arguments: [1, 16, 20] as [Int])
  func scaled(exponent: Int) {
    let shape: Shape = [8, 5], gradient = random(shape, seed: 7)
    func weight(_ factor: Double) -> Tensor {
      var weight = random(shape, seed: 8), velocity = Tensor(zeros: shape)
      muonUpdate(
        &weight, gradient: gradient, velocity: &velocity, momentum: 0.95,
        UpdateScale(learningRate: 0.1, gradient: factor))
      return weight
    }
    #expect(relativeError(weight(pow(2, -Double(exponent))), weight(1).doubles) < 1e-7)
    #expect(relativeError(weight(0), random(shape, seed: 8).doubles) == 0)
  }

  @Test(
    "what Muon moves by is about orthogonal, whatever the shape",
    arguments: [[64, 64], [16, 200], [300, 24]] as [Shape])
  func orthogonal(shape: Shape) {
    var matrix = random(shape, seed: 5)
    matrix.orthogonalize()
    let (m, n) = (shape[0], shape[1]), x = matrix.doubles
    // The squares of the singular values add up to ‖X‖².
    let mean = dot(x, x) / Double(min(m, n))
    #expect(mean > 0.6 && mean < 1.3, "\(mean)")
    // No vector is stretched by more than the largest of them.
    for seed in 1...4 as ClosedRange<UInt64> {
      let v = random([n], seed: seed).doubles
      let image = (0..<m).map { row in (0..<n).reduce(0) { $0 + x[row * n + $1] * v[$1] } }
      #expect(dot(image, image) < 1.5 * dot(v, v))
    }
  }
}
