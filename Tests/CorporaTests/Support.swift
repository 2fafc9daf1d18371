// What the corpus tests share: temporary folders, corpora made to order, a repeatable generator.

import Foundation
import RunnelText
import Testing

@testable import RunnelCorpora

/// Two letters a token, an odd one alone, and a token for the end.
struct Pairs: Tokenizer {
  let name = "pairs"
  let vocabularySize = 1 << 17
  var file: TokenizerFile?
  var template = TokenTemplate()
  static let end: Int32 = (1 << 16) + 1
  func id(of token: String) -> Int32? { token == "end" ? Self.end : nil }
  func token(of id: Int32) -> String? { nil }
  func encoder() -> Encoder { Encoder() }
  func decoder(continuing: Bool) -> ByteTokenizer.Decoder { ByteTokenizer().decoder() }

  struct Encoder: TokenEncoder {
    private var odd: Int32?
    mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
      for byte in bytes {
        if let first = odd {
          ids.append(first << 8 | Int32(byte))
          odd = nil
        } else {
          odd = Int32(byte)
        }
      }
    }
    mutating func finish(into ids: inout [Int32]) {
      if let odd { ids.append(odd << 8) }
      ids.append(1 << 16)
      odd = nil
    }
  }
}

/// A folder that exists while `body` runs.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = NSTemporaryDirectory() + "runnel-corpora-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
  try Data(Array(bytes)).write(to: URL(fileURLWithPath: path))
}

func bytes(of path: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// Documents of given lengths, of random ids below `vocabulary` that repeat enough to compress.
func documents(_ lengths: [Int], vocabulary: Int, seed: UInt64 = 1) -> [[Int32]] {
  var random = SplitMix64(seed: seed)
  return lengths.map { length in
    (0..<length).map { _ in Int32(random.next(below: 4) * (vocabulary / 4) + random.next(below: 9)) }
      .map { min($0, Int32(vocabulary - 1)) }
  }
}

@discardableResult
func makeCorpus(
  _ path: String, _ documents: [[Int32]], vocabulary: Int = 256, frameBytes: Int = 64,
  validation: ValidationSplit = .tail(0.25)
) throws -> CorpusHeader {
  var writer = try CorpusWriter(
    path: path, vocabularySize: vocabulary, frameBytes: frameBytes)
  for document in documents {
    writer.beginDocument()
    try writer.append(document)
  }
  return try writer.finish(validation: validation)
}

/// The sentence that `body` fails with.
func sentence(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return "\(error)"
  }
}

/// Runs the stock zstd; nil where there is none.
func zstd(_ arguments: [String]) throws -> [UInt8]? {
  let tool = ["/usr/bin/zstd", "/usr/local/bin/zstd", "/opt/homebrew/bin/zstd"]
    .first { FileManager.default.isExecutableFile(atPath: $0) }
  guard let tool else { return nil }
  let process = Process()
  process.executableURL = URL(fileURLWithPath: tool)
  process.arguments = arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardError = FileHandle.nullDevice
  try process.run()
  let data = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return process.terminationStatus == 0 ? [UInt8](data) : []
}
