/// What a journal's log is made of: records of what a stream read and drew, in order, each with a checksum.
///
///     kind (1 byte) · bytes of the payload (4) · payload · checksum of all before it in the record (4)
///
/// Numbers are little-endian; the checksum is FNV-1a of 32 bits. A log cut anywhere is a log: what is left of its last
/// record is passed over.

import Foundation
import RunnelFiles
import RunnelTensors

enum JournalRecord: Equatable {
  /// Tokens read in one piece; the form that read them depends on how many they are.
  case fed([Int32])
  /// A token that the sampler drew and the stream read.
  case drawn(Int32)
  /// The sampler from here on.
  case sampler(SamplerSnapshot)

  /// The largest payload; what claims more is damage.
  static let maximumPayload = 1 << 20
  private static let overhead = 9

  /// How many tokens the stream reads here.
  var tokens: Int {
    switch self {
    case .fed(let ids): ids.count
    case .drawn: 1
    case .sampler: 0
    }
  }

  func encoded() throws -> [UInt8] {
    let (kind, payload): (UInt8, [UInt8]) =
      switch self {
      case .fed(let ids): (1, Self.bytes(ids))
      case .drawn(let token): (2, Self.bytes([token]))
      case .sampler(let snapshot): (3, Array(try JSONEncoder().encode(snapshot)))
      }
    let record = [kind] + Self.bytes([Int32(payload.count)]) + payload
    return record + Self.bytes([Int32(bitPattern: Self.checksum(record[...]))])
  }

  /// The record that `bytes` begin with and its length; nil where they end within it.
  ///
  /// - Throws: `Damage` where they are no record.
  static func decode(_ bytes: ArraySlice<UInt8>) throws -> (record: JournalRecord, length: Int)? {
    guard bytes.count >= overhead else { return nil }
    let start = bytes.startIndex, count = Int(word(bytes[(start + 1)...]))
    guard (1...3).contains(bytes[start]), (0...maximumPayload).contains(count) else { throw Damage() }
    guard bytes.count >= overhead + count else { return nil }
    let end = start + 5 + count, payload = bytes[start + 5..<end]
    guard UInt32(bitPattern: word(bytes[end...])) == checksum(bytes[start..<end]) else { throw Damage() }
    func words() -> [Int32] {
      stride(from: payload.startIndex, to: payload.endIndex, by: 4).map { word(payload[$0...]) }
    }
    switch bytes[start] {
    case 1 where count % 4 == 0: return (.fed(words()), overhead + count)
    case 2 where count == 4: return (.drawn(words()[0]), overhead + count)
    case 3:
      guard let snapshot = try? JSONDecoder().decode(SamplerSnapshot.self, from: Data(payload)) else {
        throw Damage()
      }
      return (.sampler(snapshot), overhead + count)
    default: throw Damage()
    }
  }

  struct Damage: Error {}

  private static func bytes(_ words: [Int32]) -> [UInt8] {
    words.flatMap { word in withUnsafeBytes(of: word.littleEndian, Array.init) }
  }
  private static func word(_ bytes: ArraySlice<UInt8>) -> Int32 {
    Int32(bitPattern: bytes.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
  }
  private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
  }
}

/// All of a sampler: what it does, the place in its draws, what it has seen.
struct SamplerSnapshot: Codable, Equatable {
  let settings: SamplingSettings
  let generator: SeededGenerator
  let recent: [Int32]

  init(_ sampler: Sampler) {
    (settings, generator, recent) = (sampler.settings, sampler.generator, sampler.recent)
  }

  var sampler: Sampler {
    var sampler = Sampler(settings, seed: 0)
    (sampler.generator, sampler.recent) = (generator, recent)
    return sampler
  }
}
