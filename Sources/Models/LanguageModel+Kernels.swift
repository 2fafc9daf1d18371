/// The convolutions of a model whose recurrences, or some of them, are time-invariant.

import RunnelMixers
import RunnelRecurrences
import RunnelTensors

extension LanguageFunction {
  /// The kernels of every layer that is a convolution, named "layers.I.kernel", by the recurrence's own impulse
  /// response; layers whose recurrence depends on its input or on the position have none.
  public func kernels(length: Int) -> [ImpulseResponse] {
    network.layers.indices.flatMap { i -> [ImpulseResponse] in
      guard let mixer = network.layers[i].first?.body.layer as? any ConvolutionalMixer else { return [] }
      return mixer.impulseResponses(length: length, form: .parallel).map {
        $0.named("layers.\(i)." + $0.name)
      }
    }
  }

  /// The numbers that ``kernels(length:)`` would make, in Double since they may be absurdly many.
  public func kernelElements(length: Int) -> Double {
    kernels(length: 1).reduce(0) { $0 + Double($1.kernel.count) } * Double(length)
  }
}
