/// A language model over any mixers: embedding, pre-norm residual layers, a last norm and a tied or untied head. It is a
/// function from token ids to logits whose memory is a value.

import Foundation
import RunnelMixers
import RunnelRecurrences
import RunnelTensors

public struct LanguageModel: Sendable {
  /// The memory: named tensors [B …] and counters, one integer per row.
  public struct State: Sendable {
    /// The memories of every layer's parts: the mixer, then the feed-forward part where there is one.
    var layers: [[any RecurrentState]]
  }

  public let configuration: ModelConfiguration
  var embeddingTable: Weight
  /// Absent where the architecture has none.
  var embeddingNorm: Norm?
  var layers: [[Sublayer]]
  var norm: Norm
  /// Absent where the head is the embedding.
  var headWeight: Weight
  /// What tells this model's weights from others, where a file of them has said so; nil where it is to be computed.
  package var storedFingerprint: String?

  /// A fresh model; throws where the configuration's numbers do not fit together.
  public init(_ configuration: ModelConfiguration, seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    try self.init(configuration, using: &generator)
    // What is added to the residual stream starts smaller the more there is of it (Radford et al. 2019, §2.3).
    let scale = 1 / Float(layers.reduce(0) { $0 + $1.count }).squareRoot()
    visit { if $0.traits.isResidual { $1.numbers = scale * $1.numbers } }
  }

  /// A model whose parameters are all about to be replaced.
  package init(blank configuration: ModelConfiguration) throws {
    var generator = Weight.Blanks()
    try self.init(configuration, using: &generator)
  }

  private init(_ configuration: ModelConfiguration, using generator: inout some RandomNumberGenerator) throws
  {
    try configuration.validate()
    self.configuration = configuration
    let (V, D) = (configuration.vocabularySize, configuration.width)
    func norm(_ layer: Int) -> Norm {
      Norm(
        configuration.norm, width: D, epsilon: configuration.normEpsilon(ofLayer: layer),
        hasBias: configuration.hasNormBias)
    }
    embeddingTable = .normal([V, D], deviation: 0.02, using: &generator)
    embeddingNorm = configuration.normalizesEmbedding ? norm(0) : nil
    layers = (0..<configuration.layers).map { layer in
      let choice = configuration.mixer(ofLayer: layer)
      let depth = Depth(layer: layer, of: configuration.layers)
      let mixer = Sublayer.mixer(choice.make(at: depth, using: &generator), norm: norm(layer))
      let feedForward = configuration.feedForward(of: choice, at: depth, using: &generator)
      return [mixer] + (feedForward.map { [Sublayer.feedForward($0, norm: norm(layer))] } ?? [])
    }
    self.norm = norm(configuration.layers)
    headWeight = configuration.tiesEmbedding ? .absent : .weight(V, D, using: &generator)
  }

  public var mixerName: String { configuration.mixerName }
  public var vocabularySize: Int { configuration.vocabularySize }
  public var width: Int { configuration.width }
  public var layerCount: Int { configuration.layers }
  /// The output head's weight [V D].
  public var head: Weight { headWeight.isEmpty ? embeddingTable : headWeight }

  /// The configuration as it stands in `config.json`.
  public func encodeConfiguration() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return Array(try encoder.encode(configuration))
  }

  public func initialState(batch: Int) -> State {
    State(layers: layers.map { $0.map { $0.body.anyInitialState(batch: batch) } })
  }

  /// ids of B rows by T tokens, row by row → [B T D], after the last norm.
  public func hidden(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets, state: inout State
  ) -> Tensor {
    hidden(ids, batch: batch, form: form, resets: resets, state: &state, watch: nil)
  }

  /// Is shown what each part makes, by the prefix of its parameters, with the state as it is then; of a layer, the layer and
  /// the part of it.
  typealias Watch = (_ name: String, _ output: Tensor, _ place: (Int, Int)?, _ state: State) -> Void

  func hidden(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets, state: inout State, watch: Watch?
  ) -> Tensor {
    precondition(
      batch > 0 && ids.count % batch == 0, "LanguageModel: \(ids.count) ids are not \(batch) equal rows")
    var x = embedding(embeddingTable, ids: ids, shape: [batch, ids.count / batch])
    if configuration.embeddingScale != 1 { x = configuration.embeddingScale * x }
    watch?("embedding", x, nil, state)
    if let embeddingNorm {
      x = embeddingNorm(x)
      watch?("embedding_norm", x, nil, state)
    }
    var shared = SharedValues()
    for i in layers.indices {
      for j in layers[i].indices {
        x = layers[i][j].run(
          x, form: form, resets: resets, state: &state.layers[i][j], shared: &shared)
        watch?("layers.\(i)." + layers[i][j].name, x, (i, j), state)
      }
    }
    x = norm(x)
    watch?("norm", x, nil, state)
    return x
  }

  /// The same model for streaming: derived constants made once, and weights packed as they are, in f32 where they were
  /// not. It keeps no numbers of the original.
  public func frozen() -> Self {
    packed().settled()
  }

  /// The same model with its derived constants made once; its weights stay as they are and take no more memory.
  package func settled() -> Self {
    var copy = self
    for i in layers.indices {
      for j in layers[i].indices { copy.layers[i][j].body = layers[i][j].body.frozen() }
    }
    return copy
  }
}

extension ModelConfiguration {
  /// A fresh feed-forward part for a layer, if its architecture has one.
  fileprivate func feedForward(
    of choice: MixerChoice, at depth: Depth, using generator: inout some RandomNumberGenerator
  ) -> (any SequenceLayer)? {
    switch choice.feedForward {
    case .none: nil
    case .gated(_, let activation):
      GatedMLP(
        width: width, hidden: hiddenWidth, activation: self.activation ?? activation,
        hasBias: hasFeedForwardBias, using: &generator)
    case .channelMix(let version, _):
      ChannelMix(version: version, width: width, hidden: hiddenWidth, at: depth, using: &generator)
    }
  }
}

extension LanguageModel {
  private static let outer: [Field<Self>] = [.matrix("embedding.weight", \.embeddingTable)]
  private static let last: [Field<Self>] = [.matrix("head.weight", \.headWeight)]

  /// Visits every present parameter once, in checkpoint order.
  package mutating func visit(_ body: (Parameter.Place, inout StoredParameter) throws -> Void) rethrows {
    try visitFields(of: &self, Self.outer, "", body)
    if var own = embeddingNorm {
      try visitFields(of: &own, Norm.fields, "embedding_norm.", body)
      embeddingNorm = own
    }
    for i in layers.indices {
      for j in layers[i].indices { try layers[i][j].visit("layers.\(i).", body) }
    }
    try visitFields(of: &norm, Norm.fields, "norm.", body)
    try visitFields(of: &self, Self.last, "", body)
  }

  /// In checkpoint order; a tied head is listed once, as the embedding.
  public var parameters: [Parameter] {
    var copy = self
    var parameters: [Parameter] = []
    copy.visit { parameters.append(Parameter($0, $1.numbers)) }
    return parameters
  }

  /// The same model with every parameter replaced; shapes must stay.
  public func replacingParameters(_ replace: (Parameter) throws -> Tensor) rethrows -> Self {
    var copy = self
    try copy.visit { place, stored in
      let replacement = try replace(Parameter(place, stored.numbers))
      precondition(
        replacement.shape == stored.shape,
        "\(place.name): \(replacement.shape) cannot replace \(stored.shape)")
      stored.numbers = replacement
    }
    copy.storedFingerprint = nil
    return copy
  }
}

extension LanguageModel.State {
  /// As a constant: gradients stop here.
  public var detached: Self { Self(layers: layers.map { $0.map { detach($0) } }) }
  public var byteCount: Int { layers.joined().reduce(0) { $0 + $1.byteCount } }

  private func detach(_ state: any RecurrentState) -> any RecurrentState { state.detached }

  /// The prefix of the names of part `part` of layer `layer`: the mixer has none of its own.
  func prefix(_ layer: Int, _ part: Int) -> String {
    "layers.\(layer)." + (part == 0 ? "" : "mlp.")
  }

  /// Every tensor by its name in a state file, and every counter.
  public var tensors: [(name: String, value: Tensor)] { named { $0.namedTensors } }
  public var counters: [(name: String, value: [Int])] { named { $0.namedCounters } }

  private func named<Value>(_ values: (any RecurrentState) -> [(name: String, value: Value)]) -> [(
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
