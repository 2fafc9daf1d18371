/// The numbers that fix a language model's shape; `config.json` of a model folder.

import Foundation
import RunnelKernels
import RunnelMixers

public struct ModelConfiguration<Mixer: SequenceMixer>: Codable, Sendable, Equatable {
  /// The mixer's name in the registry.
  public let mixerName: String
  /// V.
  public var vocabularySize: Int
  /// D.
  public var width: Int
  public var layers: Int
  /// Whether the output head is the embedding.
  public var tiesEmbedding: Bool
  public var normEpsilon: Float
  /// The hidden size of the gated MLP behind each mixer; 0 for none.
  public var hiddenWidth: Int
  public var mixer: Mixer.Configuration

  /// The published proportions of the architecture at this width.
  public init(vocabularySize: Int, width: Int, layers: Int, tiesEmbedding: Bool = true) {
    self.init(
      vocabularySize: vocabularySize, width: width, layers: layers, tiesEmbedding: tiesEmbedding,
      mixer: Mixer.Configuration(width: width))
  }

  public init(
    vocabularySize: Int, width: Int, layers: Int, tiesEmbedding: Bool = true, normEpsilon: Float = 1e-5,
    hiddenWidth: Int? = nil, mixer: Mixer.Configuration
  ) {
    mixerName = Mixer.name
    self.vocabularySize = vocabularySize
    self.width = width
    self.layers = layers
    self.tiesEmbedding = tiesEmbedding
    self.normEpsilon = normEpsilon
    self.mixer = mixer
    self.hiddenWidth =
      hiddenWidth
      ?? {
        switch Mixer.Configuration.feedForward {
        case .none: 0
        // Rounded to whole vectors.
        case .gated(let ratio, _), .channelMix(_, let ratio):
          (Int((ratio * Double(width)).rounded()) + 15) / 16 * 16
        }
      }()
  }

  // Written with snake_case keys; see `encodeConfiguration`.
  enum CodingKeys: String, CodingKey {
    case mixerName = "mixer"
    case vocabularySize, width, layers, tiesEmbedding, normEpsilon, hiddenWidth
    case mixer = "mixerConfiguration"
  }

  /// The mixer's extents, largest first. In Double, so that absurd configurations are measured, not multiplied.
  /// Those counted in tokens, of a state only, are no matrix's.
  private func extents(ofStates: Bool) -> [Double] {
    let json = (try? JSONEncoder().encode(mixer)).flatMap { try? JSONSerialization.jsonObject(with: $0) }
    let others: Set = ofStates ? ["width"] : ["width", "window", "chunk"]
    let fields = (json as? [String: Any] ?? [:]).filter { !others.contains($0.key) }
    return fields.values.compactMap { $0 as? Int }.map(Double.init).sorted(by: >)
  }

  /// Fewer numbers than the parameters are: every mixer has a matrix of its width and its largest other extent.
  package var leastParameters: Double {
    let matrix =
      Double(width) * (extents(ofStates: false).first ?? 1) + 3 * Double(hiddenWidth) * Double(width)
    return Double(layers) * matrix + Double(vocabularySize) * Double(width)
  }

  public func validate() throws {
    try ConfigurationError.requirePositive([
      "vocabulary_size": vocabularySize, "width": width, "layers": layers,
    ])
    guard hiddenWidth >= 0 else { throw ConfigurationError("hidden_width is \(hiddenWidth); 0 means no MLP") }
    guard normEpsilon > 0, normEpsilon.isFinite else {
      throw ConfigurationError("norm_epsilon is \(normEpsilon); it must be positive")
    }
    let memory = Double(Machine.physicalMemory)
    // Nor may two extents of the mixer span more than memory: states and projections have both.
    let largest = max(leastParameters, Double(layers) * extents(ofStates: true).prefix(2).reduce(1, *))
    guard 4 * largest <= memory else {
      throw ConfigurationError(
        "more than \(largest) numbers do not fit into this machine's \(Int(memory / 1e9)) GB of memory"
      )
    }
    guard mixer.width == width else {
      throw ConfigurationError("the mixer's width \(mixer.width) is not the model's, \(width)")
    }
    guard mixerName == Mixer.name else {
      throw ConfigurationError("the mixer is \"\(mixerName)\", not \"\(Mixer.name)\"")
    }
    try mixer.validate()
  }
}
