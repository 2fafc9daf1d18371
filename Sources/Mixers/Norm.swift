/// The norm in front of mixers, of feed-forward parts and of the head: a kind by its name, and a part with parameters.

import RunnelTensors

/// A function of each token of the residual stream by itself.
public protocol NormPart: Sendable {
  /// [… D] → [… D].
  func callAsFunction(_ x: Tensor) -> Tensor
}

/// What a norm is made for.
public struct NormShape: Sendable {
  /// D, the width of the residual stream.
  public let width: Int
  /// Keeps a division from being one by zero.
  public let epsilon: Float
  /// Whether it has a bias, where its kind has one at all.
  public let hasBias: Bool

  /// - Parameters: as the properties.
  public init(width: Int, epsilon: Float, hasBias: Bool = false) {
    (self.width, self.epsilon, self.hasBias) = (width, epsilon, hasBias)
  }
}

/// A kind of norm. Configurations name it; ``Registry`` makes one of another package known to them.
public struct NormKind: SettingWord {
  /// Its name in `config.json`.
  public let rawValue: String
  private let make: @Sendable (NormShape, Parameters) -> any NormPart

  /// - Parameters:
  ///   - name: in `config.json`.
  ///   - make: asks for the parameters of one norm, each once.
  public init(name: String, make: @escaping @Sendable (NormShape, Parameters) -> any NormPart) {
    (rawValue, self.make) = (name, make)
  }

  /// x / √(mean x² + ε) · scale.
  public static let rms = NormKind(name: "rms") { RMSNorm($0, from: $1) }
  /// (x − mean x) / √(variance x + ε) · scale + bias.
  public static let layer = NormKind(name: "layer") { LayerNorm($0, from: $1) }

  /// The kind of this name in the registry; nil where it has none.
  public init?(rawValue name: String) {
    guard let kind = Registry.norms.first(where: { $0.rawValue == name }) else { return nil }
    self = kind
  }
  public static var allCases: [NormKind] { Registry.norms }
  public static func == (a: NormKind, b: NormKind) -> Bool { a.rawValue == b.rawValue }

  /// A norm of this kind with its parameters.
  public func callAsFunction(_ shape: NormShape, from parameters: Parameters) -> any NormPart {
    make(shape, parameters)
  }
}

private struct RMSNorm: NormPart {
  let epsilon: Float
  let scale: Tensor

  init(_ shape: NormShape, from p: Parameters) {
    epsilon = shape.epsilon
    scale = p.tensor("weight", [shape.width], .exempt, .ones)
  }

  func callAsFunction(_ x: Tensor) -> Tensor { rmsNorm(x, scale: scale, epsilon: epsilon) }
}

private struct LayerNorm: NormPart {
  let epsilon: Float
  let scale: Tensor
  /// Absent where there is none.
  let bias: Tensor

  init(_ shape: NormShape, from p: Parameters) {
    epsilon = shape.epsilon
    scale = p.tensor("weight", [shape.width], .exempt, .ones)
    bias = p.tensor("bias", [shape.width], if: shape.hasBias)
  }

  func callAsFunction(_ x: Tensor) -> Tensor { layerNorm(x, scale: scale, bias: bias, epsilon: epsilon) }
}
