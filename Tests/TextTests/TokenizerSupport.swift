import Foundation
import RunnelText

extension Tokenizer {
  /// The ids of bytes that come in pieces of random sizes, empty ones among them, and how many came before the
  /// end.
  func encode(_ bytes: [UInt8], cutUsing generator: inout Generator, mean: Int = 3) -> (
    ids: [Int32], early: Int
  ) {
    var encoder = encoder()
    var ids: [Int32] = []
    // A first document, so that the second shows whether anything of it is left.
    if Bool.random(using: &generator) {
      bytes.withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      encoder.finish(into: &ids)
      ids = []
    }
    var index = 0
    while index < bytes.count {
      let count = min(bytes.count - index, Int.random(in: 0...2 * mean, using: &generator))
      bytes[index..<index + count].withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      index += count
    }
    let early = ids.count
    encoder.finish(into: &ids)
    return (ids, early)
  }
}

/// Random text of several scripts with much white space, or random bytes.
func randomText(using generator: inout Generator, longest: Int = 40, alphabet: [String] = []) -> [UInt8] {
  let count = Int.random(in: 0...longest, using: &generator)
  if Int.random(in: 0..<4, using: &generator) == 0 {
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
  return (0..<count).flatMap { _ -> [UInt8] in
    switch Int.random(in: 0..<10, using: &generator) {
    case 0..<3: return Array((alphabet.randomElement(using: &generator) ?? "e").utf8)
    case 3..<5:
      return Array(["  ", " ", "\n", "\t", "\u{2581}"].randomElement(using: &generator)?.utf8 ?? " ".utf8)
    case 5..<8: return [UInt8.random(in: 0x20...0x7E, using: &generator)]
    default:
      let value = UInt32.random(in: 0x80...0x1_FFFF, using: &generator)
      return Array(String(Unicode.Scalar(value).map(Character.init) ?? "ß").utf8)
    }
  }
}

/// A file with a few random changes: bits, bytes, cuts, insertions.
func damaged(_ original: [UInt8], using generator: inout Generator) -> [UInt8] {
  var bytes = original
  for _ in 0...Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
    let place = Int.random(in: 0..<bytes.count, using: &generator)
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
    case 2: bytes.removeSubrange(place...)
    case 3: bytes.remove(at: place)
    case 4: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
    default: bytes[place] = bytes.randomElement(using: &generator) ?? 0
    }
  }
  return bytes
}

/// The strings of the shared data with the ids of the original implementations; nil where it is absent.
struct TokenizerVectors {
  let folder: String
  let lines: [[String: Any]]

  init?() {
    folder =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../../shared/data/tokenizers"
    guard let data = FileManager.default.contents(atPath: folder + "/test_vectors.jsonl") else {
      print("skipped: ../shared/data/tokenizers is absent")
      return nil
    }
    lines = data.split(separator: UInt8(ascii: "\n")).compactMap {
      try? JSONSerialization.jsonObject(with: Data($0)) as? [String: Any]
    }
  }
}
