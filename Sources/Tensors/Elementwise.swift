/// Operations on one element at a time: activations, gated products, sums and products.

import CKernels
import RunnelKernels

/// The activation functions; each is fused into products where it follows one.
public enum Activation: String, Codable, Sendable, CaseIterable {
  case identity, silu
  /// The tanh form.
  case gelu
  case sigmoid, tanh, softplus, exp
  /// elu(x) + 1, the feature map of Katharopoulos et al. 2020.
  case eluPlusOne
  case relu
  /// relu(x) squared.
  case squaredReLU

  package var kernel: runnel_activation {
    switch self {
    case .identity: RUNNEL_IDENTITY
    case .silu: RUNNEL_SILU
    case .gelu: RUNNEL_GELU
    case .sigmoid: RUNNEL_SIGMOID
    case .tanh: RUNNEL_TANH
    case .softplus: RUNNEL_SOFTPLUS
    case .exp: RUNNEL_EXP
    case .eluPlusOne: RUNNEL_ELU1
    case .relu: RUNNEL_RELU
    case .squaredReLU: RUNNEL_RELU2
    }
  }
}

/// The stretch of elements below which handing out work costs more than it saves.
package let elementGrain = 1 << 14

/// f(x), element by element.
public func activate(_ x: Tensor, _ f: Activation) -> Tensor {
  guard f != .identity else { return x }
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let y = Tensor(x.shape) { y in
    WorkerPool.shared.split(x.count, grain: elementGrain) {
      runnel_activate(f.kernel, $0.count, x.base + $0.lowerBound, y + $0.lowerBound)
    }
  }
  guard x.isTracked else { return y }
  return record(y, from: [x]) { [x = x.detached] dy in [activationGradient(dy, x, f)] }
}

/// dy f'(x).
package func activationGradient(_ dy: Tensor, _ x: Tensor, _ f: Activation) -> Tensor {
  Tensor(x.shape) { dx in
    WorkerPool.shared.split(x.count, grain: elementGrain) {
      runnel_activate_backward(
        f.kernel, $0.count, x.base + $0.lowerBound, dy.base + $0.lowerBound, dx + $0.lowerBound)
    }
  }
}

/// f(gate) · x, element by element; both of one shape.
public func gated(_ x: Tensor, by gate: Tensor, _ f: Activation) -> Tensor {
  precondition(x.shape == gate.shape, "gated: \(x.shape) by a gate of \(gate.shape); they must be equal")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let y = Tensor(x.shape) { y in
    WorkerPool.shared.split(x.count, grain: elementGrain) {
      let i = $0.lowerBound
      runnel_gate(f.kernel, $0.count, gate.base + i, x.base + i, y + i)
    }
  }
  guard isTracked(x, gate) else { return y }
  return record(y, from: [x, gate]) { [x = x.detached, gate = gate.detached] dy in
    let dx = Tensor(uninitialized: x.shape)
    let dgate = Tensor(uninitialized: x.shape)
    WorkerPool.shared.split(x.count, grain: elementGrain) {
      let i = $0.lowerBound
      runnel_gate_backward(
        f.kernel, $0.count, gate.base + i, x.base + i, dy.base + i, dgate.storage.base + i,
        dx.storage.base + i)
    }
    return [dx, dgate]
  }
}

private func zip(
  _ x: Tensor, _ y: Tensor, _ name: StaticString,
  _ body: (Int, UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
) -> Tensor {
  precondition(x.shape == y.shape, "\(name): \(x.shape) and \(y.shape); they must be equal")
  return Tensor(x.shape) { z in
    WorkerPool.shared.split(x.count, grain: elementGrain) {
      let i = $0.lowerBound
      body($0.count, x.base + i, y.base + i, z + i)
    }
  }
}

/// x + y without a record; the memory of `x` is used where nobody else holds it.
package func sum(_ x: consuming Tensor, _ y: Tensor) -> Tensor {
  precondition(x.shape == y.shape, "sum: \(x.shape) and \(y.shape); they must be equal")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  x.mutate { z in
    WorkerPool.shared.split(y.count, grain: elementGrain) {
      let i = $0.lowerBound
      runnel_add($0.count, z + i, y.base + i, z + i)
    }
  }
  return x
}

extension Tensor {
  /// The sum of two tensors of one shape; traps for different ones.
  public static func + (x: Tensor, y: Tensor) -> Tensor {
    Profiler.begin(.elementwise)
    defer { Profiler.end() }
    let z = zip(x, y, "+") { runnel_add($0, $1, $2, $3) }
    return RunnelTensors.isTracked(x, y) ? record(z, from: [x, y]) { [$0, $0] } : z
  }

  /// The difference of two tensors of one shape; traps for different ones.
  public static func - (x: Tensor, y: Tensor) -> Tensor {
    Profiler.begin(.elementwise)
    defer { Profiler.end() }
    let z = zip(x, y, "-") { runnel_add_scaled($0, -1, $1, $2, $3) }
    return RunnelTensors.isTracked(x, y) ? record(z, from: [x, y]) { [$0, -1 * $0] } : z
  }

  /// The product element by element of two tensors of one shape; traps for different ones.
  public static func * (x: Tensor, y: Tensor) -> Tensor {
    Profiler.begin(.elementwise)
    defer { Profiler.end() }
    let z = zip(x, y, "*") { runnel_multiply($0, $1, $2, $3) }
    guard RunnelTensors.isTracked(x, y) else { return z }
    return record(z, from: [x, y]) { [x = x.detached, y = y.detached] dz in [dz * y, dz * x] }
  }

  /// Every element times `a`, a constant.
  public static func * (a: Float, x: Tensor) -> Tensor {
    Profiler.begin(.elementwise)
    defer { Profiler.end() }
    let z = Tensor(x.shape) { z in
      WorkerPool.shared.split(x.count, grain: elementGrain) {
        runnel_scale($0.count, a, x.base + $0.lowerBound, z + $0.lowerBound)
      }
    }
    return x.isTracked ? record(z, from: [x]) { [a * $0] } : z
  }
}

extension Tensor {
  /// Σ x², summed in Double.
  public var sumOfSquares: Double { runnel_sum_of_squares(count, base) }
}
