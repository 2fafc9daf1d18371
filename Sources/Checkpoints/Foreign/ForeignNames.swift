/// Where the parameters of a model stand in the files of another library.

import RunnelModels
import RunnelTensors

/// The tensors that a parameter is made of, by their names there.
struct ForeignOrigin {
  var names: [String]
  /// From those tensors to the parameter; without it, the one tensor under the parameter's shape.
  var make: (([Tensor]) -> Tensor)?
}

/// Names are taken over part by part. A parameter of ours is `layers.N.PART.NAME`, with the parts `norm`, `mixer`,
/// `mlp_norm` and `mlp`, or stands outside the layers.
struct ForeignNames {
  var embedding: String
  var embeddingNorm: String?
  var norm: String
  var head: String
  /// What stands before the parts of a layer.
  var layer: (Int) -> String
  /// A part there, such as `attn` for `mixer`; of all layers or of some.
  var part: (_ layer: Int, _ part: String) -> String
  /// What names inside a part are called there, as PART.NAME → NAME.
  var renamed: [String: String] = [:]
  /// PART.NAME or NAME → what turns the tensor there into ours.
  var changed: [String: (Tensor) -> Tensor] = [:]
  /// PART.NAME of a layer → tensors by their full names.
  var derived: [String: (_ layer: Int) -> ForeignOrigin] = [:]
  /// Tensors of the files that are no parameters, or another's copy.
  var isIgnored: (String) -> Bool = { _ in false }

  func origin(of parameter: String) -> ForeignOrigin {
    func plain(_ name: String, _ key: String) -> ForeignOrigin {
      ForeignOrigin(names: [name], make: changed[key].map { change in { change($0[0]) } })
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

extension Model {
  /// The same model with the parameters of a foreign file: every one must be there, and nothing else.
  func loadingParameters(from source: any TensorSource, names: ForeignNames) throws -> Self {
    func refuse(_ place: String, expected: String, found: String) -> CheckpointError {
      CheckpointError(
        source.path, at: place, expected: expected, found: found,
        remedy: "use the configuration that belongs to these weights")
    }
    var expected: Set<String> = []
    let loaded = try replacingParameters { parameter in
      let origin = names.origin(of: parameter.name)
      let tensors = try origin.names.map { name in
        expected.insert(name)
        guard source.contains(name) else {
          throw refuse(
            "tensors", expected: "a tensor \"\(name)\" \(parameter.value.shape)", found: "none")
        }
        return try source.tensor(name, requireFinite: true)
      }
      if let make = origin.make, origin.names.count > 1 {
        return make(tensors).reshaped(parameter.value.shape)
      }
      // Axes of one element are a matter of taste: [E 1 W] and [1 1 D] are [E W] and [D].
      guard tensors[0].shape.filter({ $0 != 1 }) == parameter.value.shape.filter({ $0 != 1 }) else {
        throw refuse(
          "tensor \"\(origin.names[0])\"", expected: "shape \(parameter.value.shape)",
          found: "\(tensors[0].shape)")
      }
      return (origin.make?(tensors) ?? tensors[0]).reshaped(parameter.value.shape)
    }
    if let stranger = source.names.first(where: { !expected.contains($0) && !names.isIgnored($0) }) {
      throw refuse(
        "tensor \"\(stranger)\"", expected: "only parameters of \(mixerName)",
        found: "one that the configuration has not")
    }
    return loaded
  }
}
