/// A configuration may leave out what has a default. To stand in Tests/ModelsTests; it needs `EarlierVersion`.

import Foundation
import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import Testing

@Suite("a configuration without an optional key has its default")
struct OptionalKeysTests {
  typealias Fields = [String: Any]
  /// What no configuration can do without, of the model and of a layer of a pattern.
  static let required: Set = ["vocabulary_size", "width", "layers", "mixer", "mixers"]

  static func fields(_ bytes: [UInt8]) throws -> Fields {
    try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? Fields)
  }

  static func configuration(_ fields: Fields) throws -> ModelConfiguration {
    let json = try JSONSerialization.data(withJSONObject: fields)
    return try ModelFolder.configuration(from: Array(json), path: "config.json")
  }

  /// Every way to leave out one key, by its path: of the model, of its mixer, or of a mixer of its pattern.
  static func shortened(_ all: Fields) throws -> [(path: String, fields: Fields)] {
    func without(_ fields: Fields, in place: String = "") -> [(path: String, fields: Fields)] {
      var ways = fields.keys.filter { !required.contains($0) || place.hasSuffix("mixer_configuration.") }.map
      {
        key in (place + key, fields.filter { $0.key != key })
      }
      if let own = fields["mixer_configuration"] as? Fields {
        ways += without(own, in: place + "mixer_configuration.").map { way in
          (way.path, fields.merging(["mixer_configuration": way.fields]) { $1 })
        }
      }
      if let layers = fields["mixers"] as? [Fields] {
        for (i, layer) in layers.enumerated() {
          ways += without(layer, in: place + "mixers.\(i).").map { way in
            var changed = layers
            changed[i] = way.fields
            return (way.path, fields.merging(["mixers": changed]) { $1 })
          }
        }
      }
      return ways
    }
    return without(all)
  }

  @Test(
    "whatever key is left out of a plain configuration, it is the same",
    arguments: Registry.names + ["mamba,attention"], [true, false])
  func plain(names: String, tied: Bool) throws {
    let mixers = try Registry.pattern(names)
    let plain = ModelConfiguration(
      mixers, vocabularySize: 32, width: 16, layers: mixers.count, tiesEmbedding: tied)
    let all = try Self.fields(try LanguageModel(plain, seed: 1).encodeConfiguration())
    #expect(try Self.configuration(all) == plain)
    let ways = try Self.shortened(all)
    #expect(ways.count > mixers.count)
    for way in ways where tied || way.path != "ties_embedding" {
      let found = Result { try Self.configuration(way.fields) }
      #expect((try? found.get()) == plain, "\(names) without \(way.path): \(found)")
    }
    // With nothing but what is required.
    var least = all.filter { Self.required.contains($0.key) }
    if let layers = all["mixers"] as? [Fields] {
      least["mixers"] = layers.map { ["mixer": $0["mixer"] ?? ""] }
    }
    if !tied { least["ties_embedding"] = false }
    let found = Result { try Self.configuration(least) }
    #expect((try? found.get()) == plain, "\(names) with \(least.keys.sorted()): \(found)")
  }

  @Test("what is required is named where it is not there", arguments: ["mamba", "mamba,attention"])
  func missing(names: String) throws {
    let mixers = try Registry.pattern(names)
    let plain = ModelConfiguration(mixers, vocabularySize: 32, width: 16, layers: mixers.count)
    let all = try Self.fields(try LanguageModel(plain, seed: 1).encodeConfiguration())
    for key in all.keys where Self.required.contains(key) {
      let text = sentence { _ = try Self.configuration(all.filter { $0.key != key }) }
      #expect(text.contains("\"\(key == "mixers" ? "mixer" : key)\""), "\(text)")
    }
  }

  @Test(
    "without a key of a folder of version 0, the others have their values",
    arguments: EarlierVersion.zero.names)
  func options(name: String) throws {
    let path = EarlierVersion.zero.model(name) + "/config.json"
    let all = try Self.fields(Array(try unsealedText(path).utf8))
    for way in try Self.shortened(all) {
      // What is left may not fit together: a sentence says so.
      let configuration: ModelConfiguration
      do { configuration = try Self.configuration(way.fields) } catch {
        #expect("\(error)".contains("numbers that fit together"), "\(name) without \(way.path): \(error)")
        continue
      }
      let loaded = try Self.fields(try LanguageModel(configuration, seed: 1).encodeConfiguration())
      #expect(Self.holds(loaded, way.fields), "\(name) without \(way.path): \(loaded)")
    }
  }

  /// Whether every value of `part` stands in `whole`.
  private static func holds(_ whole: Any?, _ part: Any) -> Bool {
    switch part {
    case let fields as Fields: fields.allSatisfy { holds((whole as? Fields)?[$0.key], $0.value) }
    case let list as [Any]:
      list.indices.allSatisfy { i in
        (whole as? [Any]).map { $0.indices.contains(i) && holds($0[i], list[i]) } ?? false
      }
    default: (whole as? NSObject)?.isEqual(part) ?? false
    }
  }
}
