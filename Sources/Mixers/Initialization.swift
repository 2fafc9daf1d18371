/// Where initialisation depends on the depth, and what it is made of.

import RunnelKernels
import RunnelTensors

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
