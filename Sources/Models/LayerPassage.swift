/// The way through a layer that keeps no activations.

import RunnelMixers
import RunnelRecurrences
import RunnelTensors

/// What enters a layer, and leaves it.
struct LayerPassage: Sendable {
  /// The residual stream, [B T D].
  var x: Tensor
  /// The memories of the layer's parts.
  var states: [RecurrentState]
  /// What layers hand on beside the stream.
  var shared: SharedValues

  /// Runs through a layer without what operations keep for their gradients: these run it again.
  ///
  /// - Parameters:
  ///   - entries: of the layer.
  ///   - layer: makes the layer of its parameters.
  mutating func recompute(
    through entries: [ParameterEntry], form: Form, resets: Resets,
    _ layer: @escaping @Sendable (Parameters) -> [Sublayer]
  ) {
    // A rule captures constants only.
    var (before, places) = (self, entries)
    before.replaceTensors(by: tensors.map(\.detached))
    for i in places.indices { places[i].stored.numbers = places[i].stored.numbers.detached }
    let numbers = entries.map(\.stored.numbers)
    let (values, after) = recomputed(numbers + tensors) { [before, places] inputs in
      var (passage, entries) = (before, places)
      for i in entries.indices { entries[i].stored.numbers = inputs[i] }
      passage.replaceTensors(by: Array(inputs.dropFirst(entries.count)))
      for (j, part) in layer(Parameters(entries)).enumerated() {
        passage.x = part.run(
          passage.x, form: form, resets: resets, state: &passage.states[j], shared: &passage.shared)
      }
      return (passage.tensors, passage)
    }
    self = after
    replaceTensors(by: values)
  }

  private var tensors: [Tensor] {
    [x] + states.flatMap { $0.tensors.map(\.value) } + shared.tensors
  }

  private mutating func replaceTensors(by tensors: [Tensor]) {
    var next = 0
    func give() -> Tensor {
      defer { next += 1 }
      return tensors[next]
    }
    x = give()
    for i in states.indices { states[i].replace(tensors: { _, _ in give() }, counters: { $1 }) }
    shared = SharedValues(shared.keys, shared.keys.map { _ in give() })
  }
}
