/// The parts of a model with what they compute with: embedding, pre-norm residual layers, a last norm and a head. It is made
/// of a configuration and of parameters, and never changes.

import RunnelMixers
import RunnelRecurrences
import RunnelTensors

/// What a model computes with; its parts are the package's own.
public struct Network: Sendable {
  let embedding: Weight
  /// Absent where the architecture has none.
  let embeddingNorm: (any NormPart)?
  let layers: [[Sublayer]]
  let norm: any NormPart
  /// Absent where the head is the embedding.
  let ownHead: Weight
  /// c tanh(z / c) of logits z; nil where they are as the head makes them.
  let cap: Equation<Tensor>?

  init(_ configuration: ModelConfiguration, from parameters: Parameters) {
    let (V, D) = (configuration.vocabularySize, configuration.width)
    func norm(_ name: String, _ layer: Int) -> any NormPart {
      Self.norm(name, layer, configuration, from: parameters)
    }
    embedding = parameters.matrix("embedding.weight", [V, D], .weight, .normal(0.02))
    embeddingNorm = configuration.normalizesEmbedding ? norm("embedding_norm", 0) : nil
    layers = (0..<configuration.layers).map { Self.layer($0, configuration, from: parameters) }
    self.norm = norm("norm", configuration.layers)
    ownHead = parameters.matrix("head.weight", [V, D], if: !configuration.tiesEmbedding)
    let bound = configuration.logitCap
    cap = bound == 0 ? nil : Equation { bound * tanh(1 / bound * $0) }
  }

  private static func norm(
    _ name: String, _ layer: Int, _ configuration: ModelConfiguration, from parameters: Parameters
  ) -> any NormPart {
    parameters.within(name + ".") {
      configuration.norm(
        NormShape(
          width: configuration.width, epsilon: configuration.normEpsilon(ofLayer: layer),
          hasBias: configuration.hasNormBias),
        from: parameters)
    }
  }

  /// A layer of its parameters, which begin with ``prefix(ofLayer:)``.
  static func layer(
    _ layer: Int, _ configuration: ModelConfiguration, from parameters: Parameters
  ) -> [Sublayer] {
    let choice = configuration.mixer(ofLayer: layer)
    let depth = Depth(layer: layer, of: configuration.layers)
    func part(_ name: String, _ make: () -> any LayerFunction) -> Sublayer {
      parameters.within(prefix(ofLayer: layer)) {
        Sublayer(
          name: name,
          norm: norm(name == "mixer" ? "norm" : name + "_norm", layer, configuration, from: parameters),
          body: parameters.within(name + ".", make))
      }
    }
    let mixer = part("mixer") { choice.make(at: depth, from: parameters) }
    let kind = configuration.feedForward(of: choice)
    guard kind != .none else { return [mixer] }
    let shape = FeedForwardShape(
      width: configuration.width, hiddenWidth: configuration.hiddenWidth, depth: depth,
      activation: configuration.activation, hasBias: configuration.hasFeedForwardBias)
    return [mixer, part("mlp") { kind(shape, from: parameters) }]
  }

  /// Of the names of a layer's parameters.
  static func prefix(ofLayer layer: Int) -> String { "layers.\(layer)." }

  /// Nothing: while a model's parameters change, nobody else may hold them.
  static let none = Network(
    embedding: .absent, embeddingNorm: nil, layers: [],
    norm: NormKind.rms(NormShape(width: 0, epsilon: 0), from: .none), ownHead: .absent, cap: nil)

  private init(
    embedding: Weight, embeddingNorm: (any NormPart)?, layers: [[Sublayer]], norm: any NormPart,
    ownHead: Weight, cap: Equation<Tensor>?
  ) {
    (self.embedding, self.embeddingNorm, self.layers) = (embedding, embeddingNorm, layers)
    (self.norm, self.ownHead, self.cap) = (norm, ownHead, cap)
  }

  /// The same with every layer a stream.
  var streamed: Network {
    Network(
      embedding: embedding, embeddingNorm: embeddingNorm, layers: layers.map { $0.map(\.streamed) },
      norm: norm, ownHead: ownHead, cap: cap)
  }

  /// The output head's weight [V D].
  var head: Weight { ownHead.isEmpty ? embedding : ownHead }
}

/// x + f(norm(x)): a layer of a model is one or two of these, the mixer and what the architecture puts behind it.
struct Sublayer: Sendable {
  /// The prefix of the function's parameters within the layer.
  let name: String
  let norm: any NormPart
  let body: any LayerFunction

  func run(
    _ x: Tensor, form: Form, resets: Resets, state: inout RecurrentState, shared: inout SharedValues
  ) -> Tensor {
    x + body.run(norm(x), form: form, resets: resets, state: &state, shared: &shared)
  }

  var streamed: Sublayer { Sublayer(name: name, norm: norm, body: body.layer.stream()) }
}
