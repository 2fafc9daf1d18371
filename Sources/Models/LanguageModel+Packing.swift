/// The weights of a model for streaming, as they are packed.

import RunnelKernels
import RunnelMixers
import RunnelTensors

extension LanguageFunction {
  /// Elements of the matrices that a token is multiplied with, the head included.
  public var weightsPerToken: Int { weights.reduce(0) { $0 + $1.place.shape.elements } }

  /// The matrices that a token is multiplied with. A tied embedding is the head; of an untied one a row is looked up.
  fileprivate var weights: [ParameterEntry] {
    entries.filter {
      $0.place.layout != nil && ($0.place.name != "embedding.weight" || configuration.tiesEmbedding)
    }
  }

  /// The entries of ``StreamingModel/packed(as:finer:)``.
  func packedEntries(
    as element: PackedElement, finer: [String: PackedElement] = [:]
  ) throws(PackingError) -> [ParameterEntry] {
    var copies = entries
    for i in copies.indices {
      guard case .weight(let weight) = copies[i].stored else { continue }
      let place = copies[i].place
      let own =
        finer[place.name] ?? (place.traits.isDelicate && element.isQuantised ? PackedElement.bf16 : element)
      copies[i].stored = .weight(try weight.packed(as: own, name: place.name))
    }
    return copies
  }
}

extension StreamingModel {
  /// Their bytes: what decoding reads for each token.
  public var weightBytesPerToken: Int {
    weights.reduce(0) { $0 + ($1.matrix?.byteCount ?? 4 * $1.place.shape.elements) }
  }

  /// How the weights are packed, the coarsest of them; nil where they are numbers.
  public var packing: PackedElement? {
    packings.map(\.element).min { $0.bitsPerWeight < $1.bitsPerWeight }
  }

  /// How each packed weight is stored, by its name, in checkpoint order.
  public var packings: [(name: String, element: PackedElement)] {
    entries.compactMap { entry in entry.matrix.map { (entry.place.name, $0.element) } }
  }

  /// The same model with its weight matrices packed, those that make decays and steps in bf16 at least; what is packed
  /// already stays. Norms, biases, convolutions and the recurrences' own parameters stay f32.
  ///
  /// - Parameter finer: weights that are packed otherwise, by name.
  /// - Throws: `PackingError` where a weight is not a finite number.
  public func packed(
    as element: PackedElement, finer: [String: PackedElement] = [:]
  ) throws(PackingError) -> Self {
    // In f32, and of weights that were packed already, the numbers are the same.
    let stays = packing != nil || element == .f32
    return StreamingModel(
      configuration, try packedEntries(as: element, finer: finer), knownWeights: stays ? knownWeights : nil)
  }
}

extension LanguageModel {
  /// ``StreamingModel/packed(as:finer:)`` of this model.
  ///
  /// - Throws: `PackingError` where an element of a weight is not a finite number.
  public func packed(
    as element: PackedElement, finer: [String: PackedElement] = [:]
  ) throws(PackingError) -> StreamingModel {
    StreamingModel(configuration, try packedEntries(as: element, finer: finer))
  }
}
