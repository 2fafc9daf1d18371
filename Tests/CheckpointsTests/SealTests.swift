/// What this library writes carries checksums: whatever happens to a byte of it, it is refused, or reads as it did.

import RunnelCheckpoints
import RunnelFiles
import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelTensors
import Testing

@Suite("damage to a file of ours is refused, not believed")
struct SealTests {
  @Test("XXH64 has its published values, in one piece or in many")
  func hash() {
    func hash(_ bytes: [UInt8], pieces: [Int]) -> String {
      var hash = XXH64()
      var start = 0
      for piece in pieces + [bytes.count] {
        let end = min(bytes.count, start + piece)
        bytes[start..<end].withUnsafeBytes { hash.update($0) }
        start = end
      }
      return hexadecimal(hash.finish(), digits: 16)
    }
    // From the reference implementation (xxhsum -H1).
    for (text, value) in [
      ("", "ef46db3751d8e999"), ("a", "d24ec4f1a98c6e5b"), ("abc", "44bc2cf5ad770999"),
      ("The quick brown fox jumps over the lazy dog", "0b242d361fda71bc"),
    ] {
      #expect(hash(Array(text.utf8), pieces: []) == value)
    }
    let long = (0..<301).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    let whole = hash(long, pieces: [])
    #expect(whole == "5936e498914ab9ae")
    for cut in 0..<70 { #expect(hash(long, pieces: [cut, 1, 31, 32, cut]) == whole) }
  }

  /// All that a reader can see of a file.
  private func contents(_ path: String) throws -> [String: [UInt8]] {
    let file = try SafetensorsFile(path)
    var contents = try file.names.reduce(into: [String: [UInt8]]()) { $0[$1] = try file.bytes($1) }
    for name in file.names {
      let entry = try file.entry(name)
      contents[name]?.append(contentsOf: "\(entry.elementType) \(entry.shape)".utf8)
      // The other way to read a tensor.
      if [.float32, .bfloat16].contains(entry.elementType) { _ = try file.tensor(name) }
    }
    for key in ["a", "run"] { contents["metadata " + key] = Array((file.metadata[key] ?? "none").utf8) }
    return contents
  }

  /// Damages every byte in `range` in several ways; `read` gives all that can be seen.
  private func damage<Seen: Equatable>(
    _ path: String, every stride: Int = 1, _ read: () throws -> Seen
  ) throws -> (refused: Int, same: Int) {
    let original = try #require(readRaw(path)), seen = try read()
    var counts = (refused: 0, same: 0)
    for place in Swift.stride(from: 0, to: original.count, by: stride) {
      for change in [1, 0x80, UInt8(1 + place % 255)] as [UInt8] {
        var changed = original
        changed[place] ^= change
        writeRaw(changed, to: path)
        do {
          let again = try read()
          let isSame = again == seen
          #expect(isSame, "byte \(place) ^ \(change) of \(path)")
          counts.same += 1
        } catch let error as FileError {
          #expect(!error.description.contains("\n"))
          counts.refused += 1
        }
      }
    }
    writeRaw(original, to: path)
    return counts
  }

  @Test("any byte of a safetensors file")
  func safetensors() throws {
    let temporary = TemporaryFolder(), folder = temporary.path
    let path = folder + "/a.safetensors"
    var writer = SafetensorsWriter(metadata: ["run": "{\"xxh64\":\"00\", \"step\":17}", "a": "b"])
    writer.add("x", Tensor([1, 2, 3, 4, 5, 6] as [Float], [2, 3]))
    writer.add("y", Tensor([1, -2, 3] as [Float], [3]), as: .bfloat16)
    writer.add("n", [7, 8, 9])
    writer.add("d", [0.5, 1e300])
    writer.add("u", Array("bytes".utf8))
    try writer.write(to: path)
    #expect(try SafetensorsFile(path).metadata["xxh64"] == nil)
    let counts = try damage(path) { try contents(path) }
    // Damage to the name of the checksum leaves the rest as it was.
    #expect(counts.same <= 3 * 8 && counts.refused > 1000, "\(counts)")
  }

  @Test("any byte of a model's configuration and weights, in numbers or packed")
  func models() throws {
    let temporary = TemporaryFolder(), folder = temporary.path
    let model = try LanguageModel(.init(Mamba.self, vocabularySize: 16, width: 16, layers: 1), seed: 1)
    try ModelFolder.save(model, to: folder)
    func seen() throws -> String {
      let loaded = try ModelFolder.load(folder)
      return "\(loaded.configuration)" + loaded.fingerprint
    }
    let configuration = folder + "/" + ModelFolder.configurationName
    var counts = try damage(configuration, seen)
    #expect(counts.same <= 3 * 8 && counts.refused > 300, "\(counts)")
    counts = try damage(folder + "/" + ModelFolder.weightsName, every: 97, seen)
    #expect(counts.refused > 100 && counts.same == 0, "\(counts)")
    for element in PackedElement.allCases {
      try ModelFolder.savePacked(model, to: folder, as: element)
      counts = try damage(folder + "/" + ModelFolder.weightsName, every: 97, seen)
      #expect(counts.refused > 50 && counts.same == 0, "\(element): \(counts)")
    }
  }

  @Test("what has no checksum, and what lost it on purpose, is read as it is")
  func unsealed() throws {
    let temporary = TemporaryFolder(), folder = temporary.path
    let model = try LanguageModel(.init(LRU.self, vocabularySize: 16, width: 16, layers: 1), seed: 1)
    try ModelFolder.save(model, to: folder)
    let configuration = folder + "/" + ModelFolder.configurationName
    var text = String(decoding: try #require(readRaw(configuration)), as: UTF8.self)
    text.replace("\"norm_epsilon\" : 1", with: "\"norm_epsilon\" : 2")
    writeRaw(Array(text.utf8), to: configuration)
    let refusal = sentence { _ = try ModelFolder.load(folder) }
    #expect(refusal.contains("xxh64") && refusal.contains("remove this field"), "\(refusal)")
    writeRaw(unsealed(Array(text.utf8)), to: configuration)
    #expect(try ModelFolder.load(folder).configuration.normEpsilon > 1.5e-5)
    // The key alone, with another name: as a file of older versions.
    let weights = folder + "/" + ModelFolder.weightsName
    var plain = try #require(readRaw(weights))
    let place = try #require(plain.firstRange(of: Array("xxh64".utf8)))
    plain.replaceSubrange(place, with: Array("other".utf8))
    plain[plain.count - 1] ^= 1
    writeRaw(plain, to: weights)
    #expect(try ModelFolder.load(folder).fingerprint != model.fingerprint)
  }

  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch { return "\(error)" }
  }

  /// A configuration without its checksum, as one that is edited by hand.
  private func unsealed(_ json: [UInt8]) -> [UInt8] {
    let text = String(decoding: json, as: UTF8.self)
    return Array(text.replacing(/,\s*"xxh64" : "[^"]*"/, with: "").utf8)
  }
}
