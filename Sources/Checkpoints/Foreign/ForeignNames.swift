/// Where the parameters of a model stand in the files of another library: one mapping, for reading and for writing.

import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

/// How a parameter and the tensor that it is made of become each other. The two are one another's inverse.
struct ForeignChange: Sendable {
  /// Theirs → ours.
  var read: @Sendable (Tensor) -> Tensor
  /// Ours → theirs. A tensor may hold several parameters: here they are, in the order of a checkpoint.
  var write: @Sendable ([Tensor]) throws -> Tensor

  /// A change of one tensor into one parameter.
  static func pair(
    _ read: @escaping @Sendable (Tensor) -> Tensor, _ write: @escaping @Sendable (Tensor) -> Tensor
  ) -> ForeignChange {
    ForeignChange(read: read, write: { write($0[0]) })
  }
  static let transposition = pair(transposed, transposed)
}

/// The tensor that a parameter is made of.
struct ForeignOrigin: Sendable {
  var name: String
  /// Its shape there.
  var shape: Shape
  var change: ForeignChange?
}

/// Names are taken over part by part. A parameter of ours is `layers.N.PART.NAME`, with the parts `norm`, `mixer`,
/// `mlp_norm` and `mlp`, or stands outside the layers.
struct ForeignNames: Sendable {
  var embedding: String
  /// What files of the authors or of old versions call it.
  var olderEmbedding: String?
  var embeddingNorm: String?
  var norm: String
  var head: String
  /// What stands before the parts of a layer.
  var layer: @Sendable (Int) -> String
  /// A part there, such as `attn` for `mixer`; of all layers or of some.
  var part: @Sendable (_ layer: Int, _ part: String) -> String
  /// What names inside a part are called there, as PART.NAME → NAME.
  var renamed: [String: String] = [:]
  /// PART.NAME → the shape there of a parameter of this shape, where it has axes of one element more.
  var shaped: [String: @Sendable (Shape) -> Shape] = [:]
  /// PART.NAME or NAME → the change between the tensor there and ours.
  var changed: [String: ForeignChange] = [:]
  /// PART.NAME of a layer → a tensor by its full name.
  var derived: [String: @Sendable (_ layer: Int) -> ForeignOrigin] = [:]
  /// Tensors that have no part in the function, with the shapes in which the library misses them; any numbers will do.
  var unused: [String: Shape] = [:]
  /// Tensors that no library misses and that have no part in the function.
  var idle: Set<String> = []
  /// A tensor that is a parameter once more, bit for bit.
  var copies: Set<String> = []

  func origin(of place: ParameterPlace) -> ForeignOrigin {
    let (path, shape) = (place.name, place.shape)
    func plain(_ name: String, _ key: String) -> ForeignOrigin {
      ForeignOrigin(name: name, shape: shaped[key]?(shape) ?? shape, change: changed[key])
    }
    let words = path.split(separator: ".", maxSplits: 3).map(String.init)
    if words[0] == "layers", words.count == 4, let index = Int(words[1]) {
      let key = words[2] + "." + words[3]
      if let derived = derived[key] { return derived(index) }
      let name = layer(index) + part(index, words[2]) + "." + (renamed[key] ?? words[3])
      return plain(name, key)
    }
    switch path {
    case "embedding.weight": return plain(embedding, path)
    case "head.weight": return plain(head, path)
    default:
      let outer = words[0] == "embedding_norm" ? embeddingNorm ?? "embedding_norm" : norm
      return plain(outer + "." + words[1], path)
    }
  }

  /// The tensors of a base model, which `save_pretrained` of it calls without the whole model's first word, under the
  /// names of the whole one.
  func completed(_ source: any TensorSource) -> any TensorSource {
    let words = embedding.split(separator: ".", maxSplits: 1)
    guard words.count == 2, !source.contains(embedding), source.contains(String(words[1])) else {
      return source
    }
    return RenamedTensors(source) { $0 == head ? $0 : words[0] + "." + $0 }
  }

  /// The weights [C W] of depthwise convolutions, which torch keeps as [C 1 W].
  mutating func shapeConvolutions(_ keys: String...) {
    for key in keys { shaped[key] = { [$0[0], 1, $0[1]] } }
  }
  /// Vectors [D] that are kept as [1 1 D].
  mutating func shapeRows(_ keys: some Sequence<String>) {
    for key in keys { shaped[key] = { [1, 1, $0[0]] } }
  }
}

extension LanguageModel {
  /// The model of a configuration with the parameters of a foreign file: every one must be there, and nothing else.
  init(_ configuration: ModelConfiguration, parametersOf source: any TensorSource, names: ForeignNames) throws {
    func refuse(_ place: String, expected: String, found: String) -> FileError {
      FileError(
        source.path, at: place, expected: expected, found: found,
        remedy: "use the configuration that belongs to these weights")
    }
    var expected: Set<String> = []
    try self.init(configuration) { place in
      let origin = names.origin(of: place)
      expected.insert(origin.name)
      guard source.contains(origin.name) else {
        if origin.name == names.head {
          throw FileError(
            source.path, at: "tensors", expected: "a head, the tensor \"\(origin.name)\" \(origin.shape)",
            found: "none, as in a base model",
            remedy: "save the whole model, in transformers the ...ForCausalLM, and use its folder")
        }
        throw refuse("tensors", expected: "a tensor \"\(origin.name)\" \(origin.shape)", found: "none")
      }
      let tensor = try source.tensor(origin.name, requireFinite: true)
      // Axes of one element are a matter of taste: [E 1 W] and [1 1 D] are [E W] and [D].
      guard tensor.shape.filter({ $0 != 1 }) == origin.shape.filter({ $0 != 1 }) else {
        throw refuse("tensor \"\(origin.name)\"", expected: "shape \(origin.shape)", found: "\(tensor.shape)")
      }
      let change = origin.change.map { $0.read(tensor.reshaped(origin.shape)) } ?? tensor
      return change.reshaped(place.shape)
    }
    if let stranger = source.names.first(where: {
      !expected.contains($0) && !names.copies.contains($0) && !names.idle.contains($0)
        && names.unused[$0] == nil
    }) {
      throw refuse(
        "tensor \"\(stranger)\"", expected: "only parameters of \(configuration.mixerName)",
        found: "one that the configuration has not")
    }
  }

  /// The tensors of a foreign file that this model would be read from, in the order of its parameters.
  func tensors(names: ForeignNames) throws -> [(name: String, value: Tensor)] {
    var parts: [(origin: ForeignOrigin, values: [Tensor])] = []
    var places: [String: Int] = [:]
    for entry in entries {
      let origin = names.origin(of: entry.place), value = entry.stored.numbers
      if let place = places[origin.name] {
        parts[place].values.append(value)
      } else {
        places[origin.name] = parts.count
        parts.append((origin, [value]))
      }
    }
    let own = try parts.map { origin, values in
      (origin.name, try (origin.change?.write(values) ?? values[0]).reshaped(origin.shape))
    }
    return own + names.unused.sorted { $0.key < $1.key }.map { ($0.key, Tensor(zeros: $0.value)) }
  }
}
