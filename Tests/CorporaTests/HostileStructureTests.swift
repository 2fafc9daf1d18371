// Fields made up and sealed with right checksums: an error or the right tokens, never a crash.

import Foundation
import RunnelFiles
import RunnelText
import Testing

@testable import RunnelCorpora

@Suite("Hostile structure") struct HostileStructureTests {
  /// A corpus taken apart: each frame, its entry in the table, the header's JSON.
  private struct Parts {
    var frames: [[UInt8]]
    var entries: [(size: UInt32, content: UInt32, checksum: UInt32)]
    var json: [String: Any]
    var footer: UInt32?

    init(_ path: String) throws {
      let file = try bytes(of: path)
      let count = Int(file.integer(at: file.count - 9, as: UInt32.self))
      let table = file.count - 9 - 12 * count
      (frames, entries, json) = ([], [], [:])
      var offset = 0
      for i in 0..<count {
        let fields = (0..<3).map { file.integer(at: table + 12 * i + 4 * $0, as: UInt32.self) }
        entries.append((fields[0], fields[1], fields[2]))
        frames.append(Array(file[offset..<offset + Int(fields[0])]))
        offset += Int(fields[0])
      }
      let header = frames.removeLast()
      entries.removeLast()
      let body = Data(header[16..<header.count - 8])
      json = try JSONSerialization.jsonObject(with: body) as? [String: Any] ?? [:]
    }

    /// The file, with the header's hash made to fit the table.
    func file(keepingHash: Bool = false) throws -> [UInt8] {
      var table: [UInt8] = []
      var hashed: [UInt8] = []
      func add(_ entry: (size: UInt32, content: UInt32, checksum: UInt32)) {
        var bytes: [UInt8] = []
        for field in [entry.size, entry.content, entry.checksum] { bytes.append(littleEndian: field) }
        table += bytes
        if entry.content > 0 { hashed += bytes }
      }
      for entry in entries { add(entry) }
      var json = json
      if !keepingHash {
        json["frame_table_xxh64"] = hexadecimal(hashed.withUnsafeBytes { xxh64($0) }, digits: 16)
      }
      let body = [UInt8](try JSONSerialization.data(withJSONObject: json))
      let header = MetadataBlock.frame(tag: "RNLH", body: body)
      add((UInt32(header.count), 0, SeekTable.emptyChecksum))
      var file = frames.flatMap(\.self) + header
      file.append(littleEndian: SeekTable.skippableMagic)
      file.append(littleEndian: UInt32(table.count + 9))
      file += table
      file.append(littleEndian: footer ?? UInt32(table.count / 12))
      file.append(0x80)
      file.append(littleEndian: SeekTable.footerMagic)
      return file
    }
  }

  private static let extremes: [UInt64] = [
    0, 1, 2, 3, 4, 7, 8, 12, 255, 256, 65535, 65536, 1 << 20, 16 << 20, (16 << 20) + 1, 64 << 20, 1 << 31 - 1,
    1 << 31, 1 << 32 - 1, 1 << 32, 1 << 48, (1 << 48) + 1, 1 << 63 - 1, 1 << 63, .max,
  ]
  private let values: [Any] = [
    0, 1, -1, 2, 257, 1000, 65536, 65537, Int(Int32.max), 1 << 31, (1 << 31) + 1, Int.max, Int.min, 1e300,
    -0.5, 0.5,
    "", "u8", "u16", "u32", "bytes", "task", "document", NSNull(), true, [Int](), [String: Int](),
    ["name": "mqar", "seed": 1], ["name": "dyck", "seed": 0, "settings": ["length": 1e300]],
    ["name": "bytes"], ["name": String(repeating: "x", count: 5000), "sha256": "0"],
    [["name": "a", "bytes": Int.min, "sha256": ""]],
  ]

  private func mutate(_ parts: inout Parts, _ random: inout SplitMix64) {
    func extreme() -> UInt64 {
      random.next(below: 3) == 0
        ? UInt64(random.next(below: 1 << 16)) : Self.extremes[random.next(below: Self.extremes.count)]
    }
    switch random.next(below: 4) {
    case 0:  // the table
      let i = random.next(below: parts.entries.count)
      let value = UInt32(truncatingIfNeeded: extreme())
      switch random.next(below: 5) {
      case 0: parts.entries[i].size = value
      case 1: parts.entries[i].content = value
      case 2: parts.entries[i].checksum = value
      case 3: parts.footer = value
      default:
        // What the neighbour lacks: the sum stays.
        let j = (i + 1) % parts.entries.count
        let delta = UInt32(random.next(below: 40))
        parts.entries[i].size &+= delta
        parts.entries[j].size &-= delta
      }
    case 1:  // the header
      let keys = parts.json.keys.sorted() + ["task", "duplicates_removed", "end_of_document"]
      let key = keys[random.next(below: keys.count)]
      parts.json[key] = values[random.next(below: values.count)]
      if random.next(below: 8) == 0 { parts.json[key] = nil }
    default:  // a block, sealed anew
      let blocks = parts.frames.indices.filter {
        parts.frames[$0].integer(at: 0, as: UInt32.self) == MetadataBlock.magic
      }
      let i = blocks[random.next(below: blocks.count)]
      var frame = parts.frames[i]
      let width = [1, 2, 4, 8][random.next(below: 4)]
      let value = random.next(below: 2) == 0 ? extreme() : random.next()
      let place = 8 + random.next(below: max(1, frame.count - 16))
      for k in 0..<width where place + k < frame.count - 8 {
        frame[place + k] = UInt8(truncatingIfNeeded: value >> UInt64(8 * k))
      }
      let sealed = frame.count - 8
      let hash = frame.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[8..<sealed])) }
      frame.removeLast(8)
      frame.append(littleEndian: hash)
      parts.frames[i] = frame
    }
  }

  @Test("made-up fields behind right checksums yield an error or the right tokens", arguments: [1, 2, 3, 4])
  func fields(seed: UInt64) throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      let texts = documents([150, 0, 40, 90], vocabulary: 300, seed: seed)
      let all = texts.flatMap(\.self)
      let file = TokenizerFile(name: "t.json", bytes: Array("{\"some\": \"tokenizer\"}".utf8))
      var writer = try CorpusWriter(
        path: path, tokenizer: .init(name: "t.json", sha256: file.sha256), tokenizerFile: file,
        vocabularySize: 300, frameBytes: 128)
      for text in texts {
        writer.beginDocument()
        try writer.append(text)
      }
      try writer.finish(validation: .tail(0.2))
      let parts = try Parts(path)
      try write(parts.file(), to: path)
      #expect(try Corpus(path: path).read(0..<all.count) == all)  // taking apart and joining changes nothing
      let pieces = Set(
        stride(from: 0, to: all.count, by: 64).map { Array(all[$0..<min($0 + 64, all.count)]) })
      var random = SplitMix64(seed: seed)
      for round in 0..<400 {
        var some = parts
        mutate(&some, &random)
        let isSingle = round % 4 != 0
        if !isSingle { mutate(&some, &random) }
        try write(some.file(keepingHash: random.next(below: 4) == 0), to: path)
        if let corpus = try? Corpus(path: path) {
          _ = corpus.info
          _ = try? corpus.tokenizer()
          if let kept = try? corpus.tokenizerFile(), isSingle { #expect(kept.bytes == file.bytes) }
          for i in 0..<min(corpus.documentCount, 9) { _ = try? corpus.documentRange(i) }
          if let read = try? corpus.read(0..<corpus.count), isSingle {
            #expect(read == all, "round \(round): wrong tokens")
          }
        }
        guard let corpus = try? Corpus(path: path, salvage: true) else { continue }
        _ = try corpus.salvage(0..<corpus.count) { _, ids in
          if isSingle { #expect(pieces.contains(ids), "round \(round): tokens that never were") }
        }
        guard round % 8 == 1, (try? corpus.repair(to: folder + "/r")) != nil else { continue }
        let whole = try Corpus(path: folder + "/r")
        #expect(whole.verify().isEmpty, "round \(round): repaired, but not sound")
      }
    }
  }

  @Test("a file of nothing but beginnings of frames is walked in good time")
  func beginnings() throws {
    try withFolder { folder in
      let path = folder + "/a"
      // A frame of one segment with a checksum and 2 bytes of content size, and a raw block of the largest size.
      let start: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x64, 0x00, 0x10, 0x00, 0x00, 0x10]
      let preamble = MetadataBlock.preambleFrame(width: 1, vocabularySize: 256)
      try write(preamble + Array(repeating: start, count: 4000).joined(), to: path)
      let corpus = try Corpus(path: path, salvage: true)
      #expect(!corpus.verify().isEmpty)
    }
  }

  @Test("imports of random bytes are refused or read, never a crash", arguments: TokenFileFormat.allCases)
  func imports(format: TokenFileFormat) throws {
    try withFolder { folder in
      let data = folder + "/a.bin", index = folder + "/a.idx"
      var random = SplitMix64(seed: 11)
      for round in 0..<250 {
        var head: [UInt8] = (0..<random.next(below: 80)).map { _ in UInt8(random.next(below: 256)) }
        var ids: [UInt8] = (0..<random.next(below: 300)).map { _ in UInt8(random.next(below: 256)) }
        if format == .megatron {
          // Past the first gates: magic, version, a type of id, and counts.
          var good = MegatronIndex.magic
          good.append(littleEndian: UInt64(1))
          good.append([1, 2, 3, 4, 5, 8][random.next(below: 6)])
          for _ in 0..<2 {
            good.append(
              littleEndian: random.next(below: 3) > 0
                ? UInt64(random.next(below: 4)) : Self.extremes[random.next(below: Self.extremes.count)])
          }
          for _ in 0..<random.next(below: 12) {
            good.append(
              littleEndian: random.next(below: 3) > 0
                ? UInt32(random.next(below: 9)) : UInt32(truncatingIfNeeded: random.next()))
          }
          head = round % 5 == 0 ? head : good
        } else if format == .llmc, round % 5 > 0 {
          var good: [UInt8] = []
          for field in [UInt32(20_240_520), 1, UInt32(random.next(below: 2) == 0 ? ids.count / 2 : 1 << 31)] {
            good.append(littleEndian: field)
          }
          ids = good + [UInt8](repeating: 0, count: LLMCHeader.size - good.count) + ids
        }
        try write(ids, to: data)
        try write(head, to: index)
        _ = try? CorpusImporter.build(
          CorpusWriter(path: folder + "/c", tokenizer: .init(name: "ids"), vocabularySize: 1 << 16),
          inputs: [data], format: format, boundary: .end(7))
      }
    }
  }
}
