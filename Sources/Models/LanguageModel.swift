/// A language model over any mixers, as a function from token ids to logits whose memory is a value, in its two types: the
/// trainable one, whose parameters can be replaced, and the streaming one, which keeps what derives from them.

import Foundation
import RunnelKernels
import RunnelMixers
import RunnelRecurrences
import RunnelTensors

/// What both types of a model do.
public protocol LanguageFunction: Sendable {
  /// What fixes the model's shape.
  var configuration: ModelConfiguration { get }
  /// The parts that compute, with the parameters in them.
  var network: Network { get }
  /// The mark of the function; see ``Fingerprint``.
  var identity: Fingerprint { get }
  /// The parameters as they are kept, in the same order.
  var entries: [ParameterEntry] { get }
  /// The same function with numbers for parameters, which can be trained.
  func trainable() -> LanguageModel
  /// The same function for streaming: what derives from the parameters is made once.
  ///
  /// - Parameter packing: whether weights that are numbers become packed as f32, so that nothing of the original is kept;
  ///   else they stay as they are, and take no more memory.
  func stream(packing: Bool) -> StreamingModel
}

/// A model whose parameters are numbers, and can be trained.
public struct LanguageModel: LanguageFunction {
  /// The memory behind the last token.
  public typealias State = ModelState

  public let configuration: ModelConfiguration
  public private(set) var network: Network
  public private(set) var entries: [ParameterEntry]

  /// A fresh model; throws where the configuration's numbers do not fit together.
  public init(_ configuration: ModelConfiguration, seed: UInt64) throws {
    try configuration.validate()
    var generator = SeededGenerator(seed: seed)
    // What is added to the residual stream starts smaller the more there is of it (Radford et al. 2019, §2.3).
    let scale = 1 / Float(configuration.partCount).squareRoot()
    self.init(valid: configuration) { place, beginning in
      let numbers = beginning.make(place.shape, &generator)
      return place.traits.isResidual ? scale * numbers : numbers
    }
  }

  /// A model of these parameters.
  ///
  /// - Parameter give: the numbers of each, of the shape asked for.
  package init<Failure: Error>(
    _ configuration: ModelConfiguration, give: (ParameterPlace) throws(Failure) -> Tensor
  ) throws {
    try configuration.validate()
    self.init(
      configuration,
      try configuration.places.map { ParameterEntry(place: $0, stored: $0.stored(try give($0))) })
  }

  private init(
    valid configuration: ModelConfiguration, give: @escaping (ParameterPlace, Beginning) -> Tensor
  ) {
    var entries: [ParameterEntry] = []
    network = Network(
      configuration,
      from: Parameters { place, beginning in
        let entry = ParameterEntry(place: place, stored: place.stored(give(place, beginning)))
        entries.append(entry)
        return entry.stored
      })
    (self.configuration, self.entries) = (configuration, entries)
  }

  init(_ configuration: ModelConfiguration, _ entries: [ParameterEntry]) {
    (self.configuration, self.entries) = (configuration, entries)
    network = Network(configuration, from: Parameters(entries))
  }

  /// The same model with every parameter replaced; shapes must stay. Throws what `replace` throws.
  public func replacingParameters<Failure: Error>(
    _ replace: (Parameter) throws(Failure) -> Tensor
  ) throws(Failure) -> Self {
    var copies = entries
    for i in copies.indices {
      let replacement = try replace(copies[i].parameter)
      precondition(
        replacement.shape == copies[i].place.shape,
        "\(copies[i].place.name): \(replacement.shape) cannot replace \(copies[i].place.shape)")
      copies[i].stored.numbers = replacement
    }
    return LanguageModel(configuration, copies)
  }

  /// The same model, whose products of several tokens with its weights are made in a precision.
  package func multiplying(in precision: ProductPrecision) -> Self {
    guard precision != .f32 else { return self }
    var copies = entries
    for i in copies.indices {
      guard case .weight(var weight) = copies[i].stored else { continue }
      weight.precision = precision
      copies[i].stored = .weight(weight)
    }
    return LanguageModel(configuration, copies)
  }

  /// Changes every parameter where it lies, in checkpoint order; shapes must stay.
  package mutating func change<Failure: Error>(
    _ body: (ParameterPlace, inout StoredParameter) throws(Failure) -> Void
  ) throws(Failure) {
    // So that who changes a parameter is its only owner.
    network = .none
    defer { network = Network(configuration, from: Parameters(entries)) }
    for i in entries.indices { try body(entries[i].place, &entries[i].stored) }
  }

  public func trainable() -> LanguageModel { self }

  public func stream(packing: Bool) -> StreamingModel {
    // Those that diverged are shown as they are.
    StreamingModel(configuration, packing ? (try? packedEntries(as: .f32)) ?? entries : entries)
  }
}

/// A model for streaming: weights packed, or numbers as a file has them, and what derives from parameters made once. Its
/// parameters cannot change.
public struct StreamingModel: LanguageFunction {
  /// The memory behind the last token.
  public typealias State = ModelState

  public let configuration: ModelConfiguration
  public let network: Network
  public let entries: [ParameterEntry]
  /// What tells this model's weights from others, where a file of them has said so, or a stream knows it; nil where it is to
  /// be computed.
  var knownWeights: String?

  /// - Parameter knownWeights: the weights' part of the fingerprint, where it is known.
  package init(
    _ configuration: ModelConfiguration, _ entries: [ParameterEntry], knownWeights: String? = nil
  ) {
    (self.configuration, self.entries, self.knownWeights) = (configuration, entries, knownWeights)
    network = Network(configuration, from: Parameters(entries)).streamed
  }

  public func trainable() -> LanguageModel {
    LanguageModel(
      configuration,
      entries.map { ParameterEntry(place: $0.place, stored: $0.place.stored($0.stored.numbers)) })
  }

  public func stream(packing: Bool) -> StreamingModel {
    packing ? (try? packed(as: .f32)) ?? self : self
  }
}

extension LanguageFunction {
  /// ``stream(packing:)`` with packed weights.
  public func stream() -> StreamingModel { stream(packing: true) }

  /// Every parameter, as numbers; those of packed weights are what these stand for. In checkpoint order; a tied head is
  /// listed once, as the embedding.
  public var parameters: [Parameter] { entries.map(\.parameter) }

  /// The names of the pattern of mixers, joined by commas.
  public var mixerName: String { configuration.mixerName }
  /// V: ids are below it, and so many logits a token gets.
  public var vocabularySize: Int { configuration.vocabularySize }
  /// D, of the residual stream.
  public var width: Int { configuration.width }
  /// Mixers, each with its feed-forward part where it has one.
  public var layerCount: Int { configuration.layers }
  /// How many numbers the model has; a tied head counts once.
  public var parameterCount: Int { configuration.parameterCount }
  /// The output head's weight [V D].
  package var head: Weight { network.head }

  /// The configuration as it stands in `config.json`; throws where a number of it is not finite, which JSON does not have.
  public func encodeConfiguration() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return Array(try encoder.encode(configuration))
  }

  /// The memory before the first token, for `batch` rows.
  public func initialState(batch: Int) -> ModelState {
    ModelState(layers: network.layers.map { $0.map { $0.body.initialState(batch: batch) } })
  }

  /// ids of B rows by T tokens, row by row → [B T D], after the last norm.
  public func hidden(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets, state: inout ModelState
  ) -> Tensor {
    hidden(ids, batch: batch, form: form, resets: resets, state: &state, recomputes: false)
  }

  /// - Parameters:
  ///   - recomputes: whether the tape keeps of a layer only what enters it, and computes the rest again for gradients.
  ///   - watch: is shown what each part makes.
  func hidden(
    _ ids: [Int32], batch: Int, form: Form, resets: Resets, state: inout ModelState, recomputes: Bool = false,
    watch: Watch? = nil
  ) -> Tensor {
    precondition(
      batch > 0 && ids.count % batch == 0, "LanguageModel: \(ids.count) ids are not \(batch) equal rows")
    var x = embedding(network.embedding, ids: ids, shape: [batch, ids.count / batch])
    if configuration.embeddingScale != 1 { x = configuration.embeddingScale * x }
    watch?("embedding", x, nil, state)
    if let embeddingNorm = network.embeddingNorm {
      x = embeddingNorm(x)
      watch?("embedding_norm", x, nil, state)
    }
    var shared = SharedValues()
    for (i, layer) in network.layers.enumerated() {
      guard !recomputes else {
        let prefix = Network.prefix(ofLayer: i)
        var passage = LayerPassage(x: x, states: state.layers[i], shared: shared)
        passage.recompute(
          through: entries.filter { $0.place.name.hasPrefix(prefix) }, form: form, resets: resets
        ) { [configuration] in Network.layer(i, configuration, from: $0) }
        (x, state.layers[i], shared) = (passage.x, passage.states, passage.shared)
        continue
      }
      for (j, part) in layer.enumerated() {
        x = part.run(x, form: form, resets: resets, state: &state.layers[i][j], shared: &shared)
        watch?(Network.prefix(ofLayer: i) + part.name, x, (i, j), state)
      }
    }
    x = network.norm(x)
    watch?("norm", x, nil, state)
    return x
  }
}

/// Is shown what each part of a model makes, by the prefix of its parameters, with the state as it is then; of a layer, the
/// layer and the part of it.
typealias Watch = (_ name: String, _ output: Tensor, _ place: (Int, Int)?, _ state: ModelState) -> Void
