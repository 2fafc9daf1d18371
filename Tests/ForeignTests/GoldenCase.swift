/// A file of `Golden`: the configuration of a random model, the recipe of its parameters, and some of the logits that
/// the original implementation gave. `tools/golden` writes them and describes the recipe.

import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelModels
import RunnelRecurrences
import RunnelTensors
import Testing

struct GoldenCase: Sendable {
  struct Recipe: Sendable {
    let name: String
    let shape: [Int]
    let scale, offset: Double
  }
  struct Sample: Sendable {
    let row, token, index: Int
    let value: Double
  }
  let name: String
  let modelType: String
  let configuration: Data
  let parameters: [Recipe]
  let batch, tokens, vocabulary: Int
  let norm: Double
  let samples: [Sample]

  /// Those in the folder beside this file.
  static let all = read("Golden")
  /// Those of the authors' RWKV files, under the names in these.
  static let authors = read("Golden/Authors")

  static func named(_ name: String) throws -> GoldenCase {
    try #require((all + authors).first { $0.name == name })
  }

  private static func read(_ name: String) -> [GoldenCase] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(name)
    let files =
      (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }.compactMap {
      (try? Data(contentsOf: $0)).flatMap { [name = $0.deletingPathExtension().lastPathComponent] in
        GoldenCase(name: name, $0)
      }
    }
  }

  private init?(name: String, _ data: Data) {
    guard let json = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
      let config = json["config"] as? [String: Any], let modelType = config["model_type"] as? String,
      let configuration = try? JSONSerialization.data(withJSONObject: config),
      let parameters = json["parameters"] as? [[String: Any]], let ids = json["ids"] as? [String: Any],
      let batch = ids["batch"] as? Int, let tokens = ids["tokens"] as? Int,
      let vocabulary = ids["vocabulary"] as? Int, let logits = json["logits"] as? [String: Any],
      let norm = logits["norm"] as? Double, let samples = logits["samples"] as? [[NSNumber]]
    else { return nil }
    (self.name, self.modelType, self.configuration) = (name, modelType, configuration)
    self.parameters = parameters.compactMap { parameter in
      guard let name = parameter["name"] as? String, let shape = parameter["shape"] as? [Int],
        let scale = parameter["scale"] as? Double, let offset = parameter["offset"] as? Double
      else { return nil }
      return Recipe(name: name, shape: shape, scale: scale, offset: offset)
    }
    (self.batch, self.tokens, self.vocabulary, self.norm) = (batch, tokens, vocabulary, norm)
    self.samples = samples.map {
      Sample(row: $0[0].intValue, token: $0[1].intValue, index: $0[2].intValue, value: $0[3].doubleValue)
    }
  }

  var ids: [Int32] { words("ids", batch * tokens).map { Int32($0 % UInt64(vocabulary)) } }

  var tensors: [(name: String, value: Tensor)] {
    parameters.map { recipe in
      let values = words(recipe.name, recipe.shape.reduce(1, *)).map {
        Float(recipe.offset + recipe.scale * (Double($0 >> 40) / 0x1p23 - 1))
      }
      return (recipe.name, Tensor(values, Shape(recipe.shape)))
    }
  }

  /// The model's answer must be the original's in every form.
  func check(_ model: some LanguageFunction, _ note: String = "") {
    let ids = ids
    for form in Form.allCases {
      var state = model.initialState(batch: batch)
      let logits = model.logits(ids, batch: batch, form: form, state: &state)
      let V = model.vocabularySize
      var difference = 0.0, size = 0.0
      for sample in samples {
        let at = (sample.row * tokens + sample.token) * V + sample.index
        difference += pow(Double(logits[at]) - sample.value, 2)
        size += pow(sample.value, 2)
      }
      let error = (difference / size).squareRoot()
      #expect(error <= 2e-5, "\(name) \(note), \(form): \(error)")
      let own = logits.sumOfSquares.squareRoot()
      #expect(abs(own - norm) <= 1e-4 * norm, "\(name) \(note), \(form): norm \(own)")
    }
  }

  /// The configuration with fields added, replaced or, where the text is empty, taken out; each value as it stands in JSON.
  func configuration(_ changes: [String: String], leavingOut others: Bool = false) throws -> String {
    let object = try #require(JSONSerialization.jsonObject(with: configuration) as? [String: Any])
    var fields =
      others
      ? [:]
      : try object.mapValues {
        String(
          decoding: try JSONSerialization.data(withJSONObject: $0, options: .fragmentsAllowed), as: UTF8.self)
      }
    for (key, value) in changes { fields[key] = value.isEmpty ? nil : value }
    return "{\(fields.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", "))}"
  }

  /// Loads the case with another configuration, and with other tensors.
  func load(
    configuration text: String, as file: String = "config.json",
    weights: String = "model.safetensors",
    changing change: ([(name: String, value: Tensor)]) -> [(name: String, value: Tensor)] = { $0 }
  ) throws -> StreamingModel {
    try withFolder { folder in
      try write(to: folder, changing: change)
      try FileManager.default.removeItem(atPath: folder + "/config.json")
      try AtomicFile.write(Array(text.utf8), to: folder + "/" + file)
      if weights != "model.safetensors" {
        try FileManager.default.moveItem(
          atPath: folder + "/model.safetensors", toPath: folder + "/" + weights)
      }
      return try ModelFolder.load(folder)
    }
  }

  /// The folder that the original library would write, in one file or in shards with an index.
  func write(
    to folder: String, as type: ElementType = .float32, shards: Int = 1,
    changing change: ([(name: String, value: Tensor)]) -> [(name: String, value: Tensor)] = { $0 }
  ) throws {
    try configuration.write(to: URL(fileURLWithPath: folder + "/config.json"))
    var index: [String: String] = [:]
    let tensors = change(tensors)
    for shard in 0..<shards {
      let file = shards == 1 ? "model.safetensors" : "model-\(shard).safetensors"
      var writer = SafetensorsWriter(metadata: ["format": "pt"])
      for (i, (name, value)) in tensors.enumerated() where i % shards == shard {
        writer.add(name, value, as: type)
        index[name] = file
      }
      try writer.write(to: folder + "/" + file)
    }
    guard shards > 1 else { return }
    let json = try JSONSerialization.data(withJSONObject: [
      "metadata": [:] as [String: Int], "weight_map": index,
    ])
    try json.write(to: URL(fileURLWithPath: folder + "/model.safetensors.index.json"))
  }
}

/// The first outputs of splitmix64 from the FNV-1a hash of a name.
private func words(_ name: String, _ count: Int) -> [UInt64] {
  let seed = name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  return (0..<count).map { i in
    var z = seed &+ UInt64(i + 1) &* 0x9e37_79b9_7f4a_7c15
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}

/// A folder that exists while `body` runs.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory.path + "/runnel-foreign-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}
