/// A feed-forward part and a norm of one's own, and how all three become known.

import Runnel

/// W₂ relu(W₁ x)²: the feed-forward part of Primer, without a gate.
struct SquaredReLU: SequenceLayer {
  let upWeight, downWeight: Weight

  init(_ shape: FeedForwardShape, from parameters: Parameters) {
    upWeight = parameters.matrix("up.weight", [shape.hiddenWidth, shape.width])
    downWeight = parameters.matrix("down.weight", [shape.width, shape.hiddenWidth], .residual)
  }

  /// It does not look back.
  var memory: [StateTensor] { [] }

  func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    linear(activate(linear(x, upWeight), .squaredReLU), downWeight)
  }
}

/// g x / √(mean x² + ε) with one number g for all channels.
struct ScaleNorm: NormPart {
  let epsilon: Float
  let scale: Tensor

  init(_ shape: NormShape, from parameters: Parameters) {
    epsilon = shape.epsilon
    scale = parameters.tensor("scale", [1], .exempt, .ones)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    scaled(rmsNorm(x, epsilon: epsilon).reshaped([x.count, 1]), by: scale).reshaped(x.shape)
  }
}

extension FeedForwardKind {
  static let squaredReLU = FeedForwardKind(name: "squared-relu", ratio: 4) { SquaredReLU($0, from: $1) }
}

extension NormKind {
  static let scale = NormKind(name: "scale") { ScaleNorm($0, from: $1) }
}

/// From here on configurations, model folders, runs and streams know them.
func registerOwnParts() throws {
  try Registry.register(LeakyAverage.self)
  try Registry.register(FeedForwardKind.squaredReLU)
  try Registry.register(NormKind.scale)
}

/// The laws that every mixer of the library keeps, on the model of a folder.
///
/// - Returns: those that it breaks.
func brokenLaws(of folder: String) throws -> [String] {
  let results = try ModelCheck(ModelFolder.load(folder), tokens: 64, seed: 1).run()
  return results.filter { !$0.passed }.map(\.law)
}

/// Our parts with an architecture of the library.
func combine(in folder: String) throws -> Bool {
  let configuration = ModelConfiguration(
    [MixerChoice(Mamba.self, width: 32)], vocabularySize: 256, width: 32, layers: 2, norm: .scale,
    feedForward: .squaredReLU)
  let model = try LanguageModel(configuration, seed: 1)
  try ModelFolder.save(model, to: folder)
  return try ModelFolder.load(folder).fingerprint == model.fingerprint
}
