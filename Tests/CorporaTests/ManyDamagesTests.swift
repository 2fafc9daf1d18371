// Ten thousand random damages: each is reported where it is or does no harm, and costs no frame but its own.

import Foundation
import Testing

@testable import RunnelCorpora

@Suite("Many damages") struct ManyDamagesTests {
  private enum Damage: CustomStringConvertible {
    case byte(Int, UInt8)
    case cut(Int)

    func apply(to bytes: [UInt8]) -> [UInt8] {
      switch self {
      case .byte(let place, let value):
        var bytes = bytes
        bytes[place] = value
        return bytes
      case .cut(let length): return Array(bytes[..<length])
      }
    }

    func touches(_ entry: FrameEntry) -> Bool {
      switch self {
      case .byte(let place, _): (entry.offset..<entry.offset + entry.size).contains(place)
      case .cut(let length): length < entry.offset + entry.size
      }
    }

    var isCut: Bool {
      if case .cut = self { true } else { false }
    }

    var description: String {
      switch self {
      case .byte(let place, let value): "byte \(place) made \(value)"
      case .cut(let length): "cut to \(length) bytes"
      }
    }
  }

  @Test(
    "every one of 10,000 single bytes and cuts is reported with its frame or harmless, and salvage returns every other frame",
    arguments: [200, 5000, 100_000], [1, 2, 3, 4])
  func damages(vocabulary: Int, seed: UInt64) throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      let texts = documents([400, 0, 40, 300, 1, 500, 90], vocabulary: vocabulary, seed: seed)
      try makeCorpus(path, texts, vocabulary: vocabulary, frameBytes: 256)
      let all = texts.flatMap(\.self)
      let sound = try bytes(of: path)
      let frames = try Corpus(path: path).frames
      var random = SplitMix64(seed: seed)
      for _ in 0..<834 {
        let place = random.next(below: sound.count)
        let damage =
          random.next(below: 8) == 0
          ? Damage.cut(place)
          : Damage.byte(place, sound[place] ^ UInt8(1 + random.next(below: 255)))
        try write(damage.apply(to: sound), to: path)

        // Strictly: the right tokens or an error.
        if let corpus = try? Corpus(path: path), let read = try? corpus.read(0..<corpus.count) {
          #expect(read == all, "\(damage): wrong tokens")
        }
        let whole = frames.filter { !damage.touches($0.entry) }
        guard let corpus = try? Corpus(path: path, salvage: true) else {
          #expect(whole.isEmpty, "\(damage): nothing salvaged of \(whole.count) sound frames")
          continue
        }
        let findings = corpus.verify()
        // Some bits of a zstd frame change nothing: what is not named must decode to the right tokens.
        let expected = frames.filter { frame in
          !damage.touches(frame.entry) || !damage.isCut && !findings.contains { $0.frame == frame.number }
        }
        if damage.isCut { #expect(!findings.isEmpty, "\(damage): not reported") }
        var saved: [[Int32]] = []
        _ = try corpus.salvage(0..<corpus.count) { _, ids in saved.append(ids) }
        let isWhole = saved == expected.map { Array(all[$0.tokens]) }
        #expect(
          isWhole,
          "\(damage): \(saved.count) frames salvaged, \(expected.count) are sound")
      }
    }
  }
}
