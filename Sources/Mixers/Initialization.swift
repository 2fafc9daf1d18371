/// The distributions that parameters start from.

import RunnelKernels
import RunnelTensors

extension Tensor {
  /// A weight [out in], uniform on ±1/√in: the default of the frameworks in which these architectures were published.
  package static func weight(
    _ output: Int, _ input: Int, using generator: inout some RandomNumberGenerator
  ) -> Tensor {
    let bound = 1 / Float(input).squareRoot()
    return uniform([output, input], in: -bound...bound, using: &generator)
  }

  /// The inverse softplus of step sizes that are log-uniform on [low, high], clamped from below (Mamba §3.6).
  package static func softplusSteps(
    _ count: Int, low: Double, high: Double, floor: Double, using generator: inout some RandomNumberGenerator
  ) -> Tensor {
    let (from, to) = (naturalLogarithm(low), naturalLogarithm(high))
    return Tensor(
      (0..<count).map { _ in
        let dt = max(exponential(from + (to - from) * generator.uniform()), floor)
        return Float(inverseSoftplus(dt))
      })
  }

  /// f(0), f(1), … for `count` channels.
  package static func channels(_ count: Int, _ f: (Double) -> Double) -> Tensor {
    Tensor((0..<count).map { Float(f(Double($0))) })
  }
}

extension Weight {
  /// A weight [out in], uniform on ±1/√in.
  package static func weight(
    _ output: Int, _ input: Int, using generator: inout some RandomNumberGenerator
  ) -> Weight {
    made([output, input], using: &generator) { .weight(output, input, using: &$0) }
  }
}

extension Depth {
  /// 0 at the first layer, 1 at the last.
  package var ascent: Double { count > 1 ? Double(layer) / Double(count - 1) : 0 }
  /// 1 at the first layer, almost 0 at the last.
  package var descent: Double { 1 - Double(layer) / Double(count) }
}

/// The x whose softplus is `step` > 0: log(eˢ − 1), of which log s is left where the difference would cancel.
func inverseSoftplus(_ step: Double) -> Double {
  step < 1e-8 ? naturalLogarithm(step) : step + naturalLogarithm(1 - exponential(-step))
}
