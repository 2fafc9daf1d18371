/// A file of `Golden`: the configuration of a random model, the recipe of its parameters, and some of the logits that
/// the original implementation gave. `tools/golden` writes them and describes the recipe.

import Foundation
import RunnelCheckpoints
import RunnelTensors

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
  static let all: [GoldenCase] = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
    let files =
      (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }.compactMap {
      (try? Data(contentsOf: $0)).flatMap { [name = $0.deletingPathExtension().lastPathComponent] in
        GoldenCase(name: name, $0)
      }
    }
  }()

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
