/// The memory of a model: the memories of its layers, by their names in a state file.

import RunnelMixers
import RunnelTensors

/// Named tensors [B …] and counters, one integer per row.
public struct ModelState: Sendable {
  /// The memories of every layer's parts: the mixer, then the feed-forward part where there is one.
  var layers: [[RecurrentState]]

  /// As a constant: gradients stop here.
  public var detached: Self { Self(layers: layers.map { $0.map(\.detached) }) }
  /// Bytes of all tensors and counters.
  public var byteCount: Int { layers.joined().reduce(0) { $0 + $1.byteCount } }

  /// The prefix of the names of part `part` of layer `layer`: the mixer has none of its own.
  func prefix(_ layer: Int, _ part: Int) -> String {
    Network.prefix(ofLayer: layer) + (part == 0 ? "" : "mlp.")
  }

  /// Every tensor [B …] by its name in a state file.
  public var tensors: [(name: String, value: Tensor)] { named(\.tensors) }
  /// Every counter by its name in a state file, one integer per row.
  public var counters: [(name: String, value: [Int])] { named(\.counters) }

  private func named<Value>(_ values: (RecurrentState) -> [(name: String, value: Value)]) -> [(
    name: String, value: Value
  )] {
    layers.indices.flatMap { i in
      layers[i].indices.flatMap { j in values(layers[i][j]).map { (prefix(i, j) + $0.name, $0.value) } }
    }
  }

  /// The same state with other contents; names and shapes are those of `tensors` and `counters`.
  public func replacing(
    tensors: (String, Tensor) throws -> Tensor, counters: (String, [Int]) throws -> [Int]
  ) rethrows -> Self {
    var copy = self
    for i in layers.indices {
      for j in layers[i].indices {
        try copy.layers[i][j].replace(
          tensors: { try tensors(prefix(i, j) + $0, $1) }, counters: { try counters(prefix(i, j) + $0, $1) })
      }
    }
    return copy
  }
}
