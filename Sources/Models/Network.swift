/// The parts of a model with what they compute with: embedding, pre-norm residual layers, a last norm and a head. It is made
/// of a configuration and of parameters, and never changes.

import RunnelMixers
import RunnelRecurrences
import RunnelTensors

public struct Network: Sendable {
  let embedding: Weight
  /// Absent where the architecture has none.
  let embeddingNorm: Norm?
  let layers: [[Sublayer]]
  let norm: Norm
  /// Absent where the head is the embedding.
  let ownHead: Weight

  init(_ configuration: ModelConfiguration, from parameters: Parameters) {
    let (V, D) = (configuration.vocabularySize, configuration.width)
    func norm(_ name: String, _ layer: Int) -> Norm {
      parameters.within(name + ".") {
        Norm(
          configuration.norm, width: D, epsilon: configuration.normEpsilon(ofLayer: layer),
          hasBias: configuration.hasNormBias, from: parameters)
      }
    }
    embedding = parameters.matrix("embedding.weight", [V, D], .weight, .normal(0.02))
    embeddingNorm = configuration.normalizesEmbedding ? norm("embedding_norm", 0) : nil
    layers = (0..<configuration.layers).map { layer in
      let choice = configuration.mixer(ofLayer: layer)
      let depth = Depth(layer: layer, of: configuration.layers)
      func part(_ name: String, _ make: () -> any LayerFunction) -> Sublayer {
        parameters.within("layers.\(layer).") {
          Sublayer(
            name: name, norm: norm(name == "mixer" ? "norm" : name + "_norm", layer),
            body: parameters.within(name + ".", make))
        }
      }
      let mixer = part("mixer") { choice.make(at: depth, from: parameters) }
      guard choice.feedForward != .none else { return [mixer] }
      return [mixer, part("mlp") { configuration.feedForward(of: choice, at: depth, from: parameters) }]
    }
    self.norm = norm("norm", configuration.layers)
    ownHead = parameters.matrix("head.weight", [V, D], if: !configuration.tiesEmbedding)
  }

  /// Nothing: while a model's parameters change, nobody else may hold them.
  static let none = Network(embedding: .absent, embeddingNorm: nil, layers: [], norm: .none, ownHead: .absent)

  private init(
    embedding: Weight, embeddingNorm: Norm?, layers: [[Sublayer]], norm: Norm, ownHead: Weight
  ) {
    (self.embedding, self.embeddingNorm, self.layers) = (embedding, embeddingNorm, layers)
    (self.norm, self.ownHead) = (norm, ownHead)
  }

  /// The same with every layer a stream.
  var streamed: Network {
    Network(
      embedding: embedding, embeddingNorm: embeddingNorm, layers: layers.map { $0.map(\.streamed) },
      norm: norm,
      ownHead: ownHead)
  }

  /// The output head's weight [V D].
  var head: Weight { ownHead.isEmpty ? embedding : ownHead }
}

extension ModelConfiguration {
  /// The feed-forward part of a layer whose architecture has one.
  fileprivate func feedForward(of choice: MixerChoice, at depth: Depth, from p: Parameters)
    -> any LayerFunction
  {
    switch choice.feedForward {
    case .none: preconditionFailure("ModelConfiguration: \(choice.name) has no feed-forward part")
    case .gated(_, let activation):
      GatedMLP(
        width: width, hidden: hiddenWidth, activation: self.activation ?? activation,
        hasBias: hasFeedForwardBias, from: p)
    case .channelMix(let version, _):
      ChannelMix(version: version, width: width, hidden: hiddenWidth, at: depth, from: p)
    }
  }
}

/// A norm with its parameters.
struct Norm: Sendable {
  let kind: NormKind
  let epsilon: Float
  let scale: Tensor
  /// Absent in an RMS norm, and where a layer norm has none.
  let bias: Tensor

  init(_ kind: NormKind, width: Int, epsilon: Float, hasBias: Bool, from p: Parameters) {
    (self.kind, self.epsilon) = (kind, epsilon)
    scale = p.tensor("weight", [width], .exempt, .ones)
    bias = p.tensor("bias", [width], if: kind == .layer && hasBias)
  }

  static let none = Norm(
    .rms, width: 0, epsilon: 0, hasBias: false, from: .none)

  func callAsFunction(_ x: Tensor) -> Tensor {
    switch kind {
    case .rms: rmsNorm(x, scale: scale, epsilon: epsilon)
    case .layer: layerNorm(x, scale: scale, bias: bias, epsilon: epsilon)
    }
  }
}

/// x + f(norm(x)): a layer of a model is one or two of these, the mixer and what the architecture puts behind it.
struct Sublayer: Sendable {
  /// The prefix of the function's parameters within the layer.
  let name: String
  let norm: Norm
  let body: any LayerFunction

  func run(
    _ x: Tensor, form: Form, resets: Resets, state: inout RecurrentState, shared: inout SharedValues
  ) -> Tensor {
    x + body.run(norm(x), form: form, resets: resets, state: &state, shared: &shared)
  }

  var streamed: Sublayer { Sublayer(name: name, norm: norm, body: body.layer.stream()) }
}
