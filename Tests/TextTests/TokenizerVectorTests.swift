import RunnelFiles
import RunnelText
import Testing

@Suite("GPT-2 and GPT-NeoX: the shared vectors")
struct TokenizerVectorTests {
  static let folder =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/../shared/data/tokenizers"

  struct Vector {
    var text = ""
    var ids: [String: [Int32]] = [:]
    var decoded: String?
  }

  static func vectors() throws -> [Vector]? {
    guard fileExists(folder + "/test_vectors.jsonl") else {
      print("skipped: ../shared/data/tokenizers is absent")
      return nil
    }
    let file = try InputFile(folder + "/test_vectors.jsonl")
    return try file.bytes(at: 0, count: file.size).split(separator: 0x0A).map { line in
      var vector = Vector()
      var scanner = JSONScanner(Array(line), file: file.path)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        if scanner.kind() == .array {
          var ids: [Int32] = []
          try scanner.beginArray()
          while try scanner.nextElement() { ids.append(Int32(try scanner.integer())) }
          vector.ids[key] = ids
        } else {
          let text = try scanner.string()
          if key == "text" { vector.text = text }
          if key == "neox_decoded" { vector.decoded = text }
        }
      }
      return vector
    }
  }

  @Test(
    "ids, cuttings and texts", arguments: [("gpt2", "gpt2"), ("neox", "gpt-neox-20b/20B_tokenizer.json")])
  func vectors(key: String, path: String) throws {
    guard let vectors = try Self.vectors() else { return }
    #expect(vectors.count == 45)
    let tokenizer = try BPETokenizer.load(Self.folder + "/" + path)
    for vector in vectors {
      let bytes = Array(vector.text.utf8)
      let ids = try #require(vector.ids[key])
      #expect(tokenizer.encode(bytes) == ids)
      for size in [1, 2, 5, 64] { #expect(TokenizerJSONTests.encode(tokenizer, bytes, size: size) == ids) }
      let decoded = key == "neox" ? vector.decoded ?? "" : vector.text
      #expect(tokenizer.decode(ids) == Array(decoded.utf8))
    }
    // Bytes of no character survive where every byte has a token.
    let all = (UInt8.min...UInt8.max).flatMap { byte -> [UInt8] in [byte, 0x20, 0xE4, byte] }
    if key == "gpt2" { #expect(tokenizer.decode(tokenizer.encode(all)) == all) }
  }
}

extension BPETokenizer {
  /// A `tokenizer.json`, or a folder with GPT-2's pair.
  static func load(_ path: String) throws -> BPETokenizer {
    try #require(try Tokenizers.load(path) as? BPETokenizer)
  }
}
