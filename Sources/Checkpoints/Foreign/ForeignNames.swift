/// Where the parameters of a model stand in the files of another library.

import RunnelFiles
import RunnelModels
import RunnelTensors

/// The tensor that a parameter is made of.
struct ForeignOrigin: Sendable {
  var name: String
  /// Its shape there, if not the parameter's.
  var shape: Shape?
  var make: (@Sendable (Tensor) -> Tensor)?
}

/// Names are taken over part by part. A parameter of ours is `layers.N.PART.NAME`, with the parts `norm`, `mixer`,
/// `mlp_norm` and `mlp`, or stands outside the layers.
struct ForeignNames: Sendable {
  var embedding: String
  var embeddingNorm: String?
  var norm: String
  var head: String
  /// What stands before the parts of a layer.
  var layer: @Sendable (Int) -> String
  /// A part there, such as `attn` for `mixer`; of all layers or of some.
  var part: @Sendable (_ layer: Int, _ part: String) -> String
  /// What names inside a part are called there, as PART.NAME → NAME.
  var renamed: [String: String] = [:]
  /// PART.NAME or NAME → what turns the tensor there into ours.
  var changed: [String: @Sendable (Tensor) -> Tensor] = [:]
  /// PART.NAME of a layer → a tensor by its full name.
  var derived: [String: @Sendable (_ layer: Int) -> ForeignOrigin] = [:]
  /// Tensors of the files that are no parameters, or another's copy.
  var isIgnored: @Sendable (String) -> Bool = { _ in false }

  func origin(of parameter: String) -> ForeignOrigin {
    func plain(_ name: String, _ key: String) -> ForeignOrigin {
      ForeignOrigin(name: name, make: changed[key])
    }
    let words = parameter.split(separator: ".", maxSplits: 3).map(String.init)
    if words[0] == "layers", words.count == 4, let index = Int(words[1]) {
      let key = words[2] + "." + words[3]
      if let derived = derived[key] { return derived(index) }
      let name = layer(index) + part(index, words[2]) + "." + (renamed[key] ?? words[3])
      return plain(name, key)
    }
    switch parameter {
    case "embedding.weight": return plain(embedding, parameter)
    case "head.weight": return plain(head, parameter)
    default:
      let outer = words[0] == "embedding_norm" ? embeddingNorm ?? "embedding_norm" : norm
      return plain(outer + "." + words[1], parameter)
    }
  }
}

extension LanguageModel {
  /// The same model with the parameters of a foreign file: every one must be there, and nothing else.
  func loadingParameters(from source: any TensorSource, names: ForeignNames) throws -> Self {
    func refuse(_ place: String, expected: String, found: String) -> FileError {
      FileError(
        source.path, at: place, expected: expected, found: found,
        remedy: "use the configuration that belongs to these weights")
    }
    var expected: Set<String> = []
    let loaded = try replacingParameters { parameter in
      let origin = names.origin(of: parameter.name)
      let shape = origin.shape ?? parameter.value.shape
      expected.insert(origin.name)
      guard source.contains(origin.name) else {
        throw refuse("tensors", expected: "a tensor \"\(origin.name)\" \(shape)", found: "none")
      }
      let tensor = try source.tensor(origin.name, requireFinite: true)
      // Axes of one element are a matter of taste: [E 1 W] and [1 1 D] are [E W] and [D].
      guard tensor.shape.filter({ $0 != 1 }) == shape.filter({ $0 != 1 }) else {
        throw refuse("tensor \"\(origin.name)\"", expected: "shape \(shape)", found: "\(tensor.shape)")
      }
      return (origin.make?(tensor) ?? tensor).reshaped(parameter.value.shape)
    }
    if let stranger = source.names.first(where: { !expected.contains($0) && !names.isIgnored($0) }) {
      throw refuse(
        "tensor \"\(stranger)\"", expected: "only parameters of \(mixerName)",
        found: "one that the configuration has not")
    }
    return loaded
  }
}
