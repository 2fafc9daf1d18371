/// The two forms of a model's weights: numbers to train, packed matrices to stream with.

import RunnelKernels
import RunnelMixers
import RunnelTensors

extension LanguageModel {
  public var parameterCount: Int {
    var copy = self, count = 0
    copy.visit { count += $1.shape.elements }
    return count
  }

  /// Elements of the matrices that a token is multiplied with, the head included.
  public var weightsPerToken: Int { weights().reduce(0) { $0 + $1.shape.elements } }
  /// Their bytes: what decoding reads for each token.
  public var weightBytesPerToken: Int {
    weights().reduce(0) { $0 + ($1.matrix?.byteCount ?? 4 * $1.shape.elements) }
  }

  /// The matrices that a token is multiplied with. A tied embedding is the head; of an untied one a row is looked up.
  private func weights() -> [Weight] {
    var copy = self, weights: [Weight] = []
    copy.visit { place, stored in
      guard case .weight(let weight) = stored, place.name != "embedding.weight" || headWeight.isEmpty else {
        return
      }
      weights.append(weight)
    }
    return weights
  }

  /// How the weights are packed, the coarsest of them; nil where they are numbers.
  public var packing: PackedElement? {
    packings.map(\.element).min { $0.bitsPerWeight < $1.bitsPerWeight }
  }

  /// How each packed weight is stored, by its name, in checkpoint order.
  public var packings: [(name: String, element: PackedElement)] {
    var copy = self, packings: [(name: String, element: PackedElement)] = []
    copy.visit { place, stored in
      if case .weight(let weight) = stored, let matrix = weight.matrix {
        packings.append((place.name, matrix.element))
      }
    }
    return packings
  }

  /// The same model with its weight matrices packed, those that make decays and steps in bf16 at least; what is packed
  /// already stays. Norms, biases, convolutions and the recurrences' own parameters stay f32.
  ///
  /// - Parameter finer: weights that are packed otherwise, by name.
  /// - Throws: `PackingError` where a weight is not a finite number.
  public func packed(
    as element: PackedElement, finer: [String: PackedElement] = [:]
  ) throws(PackingError) -> Self {
    var copy = self
    var failure: PackingError?
    copy.visit { place, stored in
      guard failure == nil, case .weight(let weight) = stored else { return }
      let own =
        finer[place.name] ?? (place.traits.isDelicate && element.isQuantised ? PackedElement.bf16 : element)
      do throws(PackingError) { stored = .weight(try weight.packed(as: own, name: place.name)) } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    // In f32 the numbers are the same.
    if packing == nil, element != .f32 { copy.storedFingerprint = nil }
    return copy
  }

  /// Packed as f32, but for weights that cannot be: those that diverged are shown as they are.
  func packed() -> Self { (try? packed(as: .f32)) ?? self }

  /// The same model with its weights as numbers, which can be trained: what the packed ones stand for.
  public func unpacked() -> Self {
    guard packing != nil else { return self }
    var copy = replacingParameters { $0.value }
    copy.storedFingerprint = storedFingerprint
    return copy
  }
}
