/// Steps of optimisers on one parameter: Adam and AdamW, stochastic gradient descent, Lion. Muon has a file of its own.
///
/// Each changes the weight and what the optimiser keeps of it in place, in one pass over memory. A weight that a tape still
/// holds is copied first, so let go of the tape before.

import CKernels
import RunnelKernels

/// What every update is told of its step.
package struct UpdateScale: Sendable {
  /// The step size.
  package var learningRate: Double
  /// The weight decay, decoupled or coupled as the update says.
  package var weightDecay: Double
  /// A factor on the gradient: the clipping. g below is the gradient times it.
  package var gradient: Double

  package init(learningRate: Double, weightDecay: Double = 0, gradient: Double = 1) {
    (self.learningRate, self.weightDecay, self.gradient) = (learningRate, weightDecay, gradient)
  }
}

/// AdamW (Loshchilov and Hutter 2019), t the `step`, counted from one:
///
///     m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
///     w ← (1 − lr · decay) w − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
///
/// - Parameter isCoupled: whether it is Adam as it first was (Kingma and Ba 2015), whose decay is that of an L2 penalty: g is
///   the gradient plus decay · w, so that a weight with large gradients decays less.
package func adamUpdate(
  _ weight: inout Tensor, gradient: Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor, step: Int,
  beta1: Double, beta2: Double, epsilon: Double, isCoupled: Bool = false, _ scale: UpdateScale
) {
  check("adamUpdate", weight, gradient, [firstMoment, secondMoment])
  precondition(step > 0, "adamUpdate: step \(step); steps are counted from one")
  let correction1 = 1 - power(beta1, Double(step))
  let correction2 = 1 - power(beta2, Double(step))
  let (decoupled, coupled) = isCoupled ? (0, scale.weightDecay) : (scale.weightDecay, 0)
  let count = weight.count
  weight.mutate { w in
    firstMoment.mutate { m in
      secondMoment.mutate { v in
        WorkerPool.shared.split(count, grain: elementGrain) {
          let i = $0.lowerBound
          runnel_adam(
            $0.count, w + i, gradient.base + i, m + i, v + i, scale.learningRate, beta1, beta2, epsilon,
            decoupled, coupled, correction1, correction2, scale.gradient)
        }
      }
    }
  }
}

/// Stochastic gradient descent with momentum (Polyak 1964), or Nesterov's; the decay is coupled, that of an L2 penalty:
///
///     v ← μ v + g + decay · w,   w ← w − lr · v,   or with Nesterov's   w ← w − lr · (g + decay · w + μ v)
///
/// - Parameter velocity: v; empty without momentum.
package func sgdUpdate(
  _ weight: inout Tensor, gradient: Tensor, velocity: inout Tensor, momentum: Double,
  isNesterov: Bool = false,
  _ scale: UpdateScale
) {
  check("sgdUpdate", weight, gradient, momentum > 0 ? [velocity] : [])
  let count = weight.count
  weight.mutate { w in
    func update(_ velocity: UnsafeMutablePointer<Float>?) {
      WorkerPool.shared.split(count, grain: elementGrain) {
        let i = $0.lowerBound
        runnel_sgd(
          $0.count, w + i, gradient.base + i, velocity.map { $0 + i }, scale.learningRate, momentum,
          isNesterov ? 1 : 0, scale.weightDecay, scale.gradient)
      }
    }
    if momentum > 0 { velocity.mutate { update($0) } } else { update(nil) }
  }
}

/// Lion (Chen et al. 2023, algorithm 2), every element moved by the rate:
///
///     w ← (1 − lr · decay) w − lr · sign(β₁ m + (1 − β₁) g),   m ← β₂ m + (1 − β₂) g
package func lionUpdate(
  _ weight: inout Tensor, gradient: Tensor, momentum: inout Tensor, beta1: Double, beta2: Double,
  _ scale: UpdateScale
) {
  check("lionUpdate", weight, gradient, [momentum])
  let count = weight.count
  weight.mutate { w in
    momentum.mutate { m in
      WorkerPool.shared.split(count, grain: elementGrain) {
        let i = $0.lowerBound
        runnel_lion(
          $0.count, w + i, gradient.base + i, m + i, scale.learningRate, beta1, beta2, scale.weightDecay,
          scale.gradient)
      }
    }
  }
}

/// Traps where tensors that are changed element by element are not equally large.
func check(_ name: StaticString, _ weight: Tensor, _ gradient: Tensor, _ kept: [Tensor]) {
  precondition(
    ([gradient] + kept).allSatisfy { $0.count == weight.count },
    "\(name): a weight of \(weight.shape), a gradient of \(gradient.shape), and \(kept.map(\.shape)) kept of it; they must be "
      + "equal")
}

extension Tensor {
  /// Moves this much of the way to another tensor, in place: a running mean of what comes.
  package mutating func approach(_ other: Tensor, by share: Double) {
    precondition(other.count == count, "approach: \(shape) and \(other.shape); they must be equal")
    changeElements { runnel_approach($0, $2, other.base + $1, share) }
  }

  /// Adds another tensor times a number, in place.
  package mutating func add(_ other: Tensor, times factor: Float) {
    precondition(other.count == count, "add: \(shape) and \(other.shape); they must be equal")
    changeElements { runnel_add_scaled($0, factor, $2, other.base + $1, $2) }
  }

  /// Multiplies by a number, in place.
  package mutating func scale(by factor: Float) { changeElements { runnel_scale($0, factor, $2, $2) } }

  /// Calls with a number of elements, the index of the first and its place.
  mutating func changeElements(_ body: (Int, Int, UnsafeMutablePointer<Float>) -> Void) {
    let count = count
    mutate { x in
      WorkerPool.shared.split(count, grain: elementGrain) { body($0.count, $0.lowerBound, x + $0.lowerBound) }
    }
  }
}
