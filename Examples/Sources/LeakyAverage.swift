/// An architecture of one's own: a mixer with the value that its layers share. Nothing here is known to the library before it
/// is registered.

import Foundation
import Runnel

/// A leaky average of values, in which every channel forgets at a rate of its own.
///
///     v_t = W_v x_t;   h_t = a ⊙ h_{t−1} + (1 − a) ⊙ v_t,   a = σ(λ)
///     y_t = W_o ((h_t + μ ⊙ v¹_t) ⊙ σ(W_g x_t))
///
/// v¹ is v of the first layer; there it is v itself.
struct LeakyAverage: SequenceMixer {
  /// Each setting once: its name in `config.json` and for `--set`, its place, what it means, its default.
  struct Configuration: MixerConfiguration {
    var width = 0, channels = 0, longestMemory = 64.0

    static let settings: [Setting<Self>] = [
      Setting("channels", \.channels, "E: channels of the average") { $0.width },
      Setting("longest_memory", \.longestMemory, "tokens that the slowest channel recalls", kind: .beginning),
    ]
    static let feedForward = FeedForwardKind.squaredReLU
    static let norm = NormKind.scale
  }

  /// What the registry, the README's table and `info` say.
  static let description = MixerDescription(
    name: "leaky-average", title: "Leaky average", paper: "an example", recurrence: "h = a h + (1 − a) v",
    state: "E", cost: "2 E", parallelForm: "associative scan")

  let configuration: Configuration
  let valueWeight, gateWeight, outputWeight: Weight
  /// [E].
  let decayLogit, share: Tensor

  /// Asks for each parameter once: its name in checkpoints, its shape, how it is trained, what it begins as.
  init(_ configuration: Configuration, at depth: Depth, from parameters: Parameters) {
    self.configuration = configuration
    let (D, E, longest) = (configuration.width, configuration.channels, configuration.longestMemory)
    valueWeight = parameters.matrix("value.weight", [E, D])
    gateWeight = parameters.matrix("gate.weight", [E, D])
    // From one token to the longest memory, evenly on a scale of logarithms.
    decayLogit = parameters.tensor(
      "decay", [E], .exempt, .channels { log(expm1(1 / pow(longest, $0 / Double(max(1, E - 1))))) * -1 })
    share = parameters.tensor("share", [E], if: depth.layer > 0)
    outputWeight = parameters.matrix("output.weight", [D, E], .residual)
  }

  /// The state of one row: one number for a channel.
  var memory: [StateTensor] { [StateTensor("average", [configuration.channels])] }

  /// a and 1 − a: a stream makes them once.
  var constants: (decay: Tensor, input: Tensor) {
    (activate(decayLogit, .sigmoid), activate(-1 * decayLogit, .sigmoid))
  }

  /// What layers hand on beside the residual stream, by a key of one's own: [B T E].
  enum FirstValue: SharedValueKey {}

  /// Alone, a layer is the first.
  func run(
    _ x: Tensor, _ constants: (decay: Tensor, input: Tensor), form: Form, resets: Resets,
    state: inout RecurrentState
  ) -> Tensor {
    var shared = SharedValues()
    return run(x, constants, form: form, resets: resets, state: &state, shared: &shared)
  }

  /// The mathematics once, for every form: only the recurrence looks at it.
  func run(
    _ x: Tensor, _ constants: (decay: Tensor, input: Tensor), form: Form, resets: Resets,
    state: inout RecurrentState, shared: inout SharedValues
  ) -> Tensor {
    let value = linear(x, valueWeight)  // [B T E]
    var average = Diagonal.run(
      decay: constants.decay, input: scaled(value, by: constants.input), .real, form: form, resets: resets,
      state: &state["average"])
    if let first = shared[FirstValue.self], !share.isEmpty {
      average = average + scaled(first, by: share)
    } else {
      shared[FirstValue.self] = value
    }
    return linear(gated(average, by: linear(x, gateWeight), .sigmoid), outputWeight)  // [B T D]
  }
}
