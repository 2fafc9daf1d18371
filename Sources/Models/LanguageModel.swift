/// A language model over any mixer: embedding, pre-norm residual blocks, a last norm and a tied or untied head.

import Foundation
import RunnelMixers
import RunnelRecurrences
import RunnelTensors

public struct LanguageModel<Mixer: SequenceMixer>: Model {
  public struct State: ModelState {
    public internal(set) var layers: [Mixer.State]
  }

  public let configuration: ModelConfiguration<Mixer>
  var embeddingTable: Tensor
  public internal(set) var blocks: [Block<Mixer>]
  var norm: Tensor
  /// Absent where the head is the embedding.
  var headWeight: Tensor

  /// A fresh model; throws where the configuration's numbers do not fit together.
  public init(_ configuration: ModelConfiguration<Mixer>, seed: UInt64) throws {
    try configuration.validate()
    var generator = SeededGenerator(seed: seed)
    self.configuration = configuration
    embeddingTable = .normal(
      [configuration.vocabularySize, configuration.width], deviation: 0.02, using: &generator)
    blocks = (0..<configuration.layers).map { _ in Block(configuration, using: &generator) }
    norm = Tensor(ones: [configuration.width])
    headWeight =
      configuration.tiesEmbedding
      ? .absent : .weight(configuration.vocabularySize, configuration.width, using: &generator)
    // What is added to the residual stream starts smaller the more there is of it (Radford et al. 2019, §2.3).
    let additions = configuration.layers * (configuration.hiddenWidth > 0 ? 2 : 1)
    let scaled = replacingParameters {
      $0.traits.isResidual ? 1 / Float(additions).squareRoot() * $0.value : $0.value
    }
    blocks = scaled.blocks
  }

  public var mixerName: String { Mixer.name }
  public var vocabularySize: Int { configuration.vocabularySize }
  public var width: Int { configuration.width }
  public var layerCount: Int { configuration.layers }
  public var head: Tensor { headWeight.isEmpty ? embeddingTable : headWeight }

  public func encodeConfiguration() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return Array(try encoder.encode(configuration))
  }

  public func initialState(batch: Int) -> State {
    State(layers: blocks.map { $0.mixer.initialState(batch: batch) })
  }

  public func hidden(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets, state: inout State
  ) -> Tensor {
    precondition(
      batch > 0 && ids.count % batch == 0, "LanguageModel: \(ids.count) ids are not \(batch) equal rows")
    var x = embedding(embeddingTable, ids: ids, shape: [batch, ids.count / batch])
    for (i, block) in blocks.enumerated() {
      x = block.run(
        x, epsilon: configuration.normEpsilon, form: form, resets: resets, state: &state.layers[i])
    }
    return rmsNorm(x, scale: norm, epsilon: configuration.normEpsilon)
  }

  public func frozen() -> Self {
    var copy = self
    for i in blocks.indices { copy.blocks[i].mixer = blocks[i].mixer.frozen() }
    return copy
  }
}

extension LanguageModel {
  /// Every parameter once, in checkpoint order, with the place it is written back to.
  private static var outer: [Field<Self>] {
    [
      .init("embedding.weight", \.embeddingTable), .init("norm.weight", \.norm, .exempt),
      .init("head.weight", \.headWeight),
    ]
  }

  /// Visits every present parameter. The one walk that saving, training and counting share.
  private mutating func visit(_ body: (String, ParameterTraits, inout Tensor) throws -> Void) rethrows {
    for field in Self.outer where !self[keyPath: field.path].isEmpty {
      try body(field.name, field.traits, &self[keyPath: field.path])
    }
    for i in blocks.indices {
      for field in Block<Mixer>.fields where !blocks[i][keyPath: field.path].isEmpty {
        try body("layers.\(i).\(field.name)", field.traits, &blocks[i][keyPath: field.path])
      }
      for field in Mixer.fields where !blocks[i].mixer[keyPath: field.path].isEmpty {
        try body("layers.\(i).mixer.\(field.name)", field.traits, &blocks[i].mixer[keyPath: field.path])
      }
    }
  }

  public var parameters: [Parameter] {
    var copy = self
    var parameters: [Parameter] = []
    copy.visit { parameters.append(Parameter(name: $0, traits: $1, value: $2)) }
    return parameters
  }

  public func replacingParameters(_ replace: (Parameter) throws -> Tensor) rethrows -> Self {
    var copy = self
    try copy.visit { name, traits, value in
      let replacement = try replace(Parameter(name: name, traits: traits, value: value))
      precondition(
        replacement.shape == value.shape, "\(name): \(replacement.shape) cannot replace \(value.shape)")
      value = replacement
    }
    return copy
  }
}

extension LanguageModel.State {
  public var detached: Self { Self(layers: layers.map(\.detached)) }
  public var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }

  public var tensors: [(name: String, value: Tensor)] {
    layers.enumerated().flatMap { i, layer in
      Mixer.State.tensors.map { ("layers.\(i).\($0.name)", layer[keyPath: $0.path]) }
    }
  }
  public var counters: [(name: String, value: [Int])] {
    layers.enumerated().flatMap { i, layer in
      Mixer.State.counters.map { ("layers.\(i).\($0.name)", layer[keyPath: $0.path]) }
    }
  }

  public func replacing(
    tensors: (String, Tensor) throws -> Tensor, counters: (String, [Int]) throws -> [Int]
  ) rethrows -> Self {
    var copy = self
    for i in layers.indices {
      for field in Mixer.State.tensors {
        copy.layers[i][keyPath: field.path] = try tensors(
          "layers.\(i).\(field.name)", layers[i][keyPath: field.path])
      }
      for field in Mixer.State.counters {
        copy.layers[i][keyPath: field.path] = try counters(
          "layers.\(i).\(field.name)", layers[i][keyPath: field.path])
      }
    }
    return copy
  }
}
