/// One step of AdamW (Loshchilov and Hutter 2019) on one parameter.

import CKernels
import RunnelKernels

/// Moves `weight` and its moments in place, in one pass over memory:
///
///     m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
///     w ← (1 − lr · decay) w − lr · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
///
/// with g the gradient times `gradientScale` (the clipping) and t the `step`, counted from one. A weight that a tape
/// still holds is copied first, so let go of the tape before.
package func adamWUpdate(
  _ weight: inout Tensor, gradient: Tensor, firstMoment: inout Tensor, secondMoment: inout Tensor, step: Int,
  learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double,
  gradientScale: Double = 1
) {
  let count = weight.count
  precondition(
    gradient.count == count && firstMoment.count == count && secondMoment.count == count,
    "adamWUpdate: a weight of \(weight.shape), a gradient of \(gradient.shape) and moments of "
      + "\(firstMoment.shape) and \(secondMoment.shape); they must be equal")
  precondition(step > 0, "adamWUpdate: step \(step); steps are counted from one")
  let correction1 = 1 - power(beta1, Double(step))
  let correction2 = 1 - power(beta2, Double(step))
  weight.mutate { w in
    firstMoment.mutate { m in
      secondMoment.mutate { v in
        WorkerPool.shared.split(count, grain: elementGrain) {
          let i = $0.lowerBound
          runnel_adamw(
            $0.count, w + i, gradient.base + i, m + i, v + i, learningRate, beta1, beta2, epsilon,
            weightDecay,
            correction1, correction2, gradientScale)
        }
      }
    }
  }
}
