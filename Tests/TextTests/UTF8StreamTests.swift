import RunnelText
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("a stream's text is the text of the whole, however it is cut")
struct UTF8StreamTests {
  /// Feeds the pieces, watching that each is whole.
  static func text(_ pieces: [ArraySlice<UInt8>]) -> String {
    var stream = UTF8Stream()
    var text = ""
    for piece in pieces {
      text += stream.text(piece)
      if stream.pending.count > 3 { Issue.record("\(stream.pending) held back") }
    }
    return text + String(decoding: stream.flush(), as: UTF8.self)
  }

  /// Canonical equivalence would hide differences.
  static func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

  /// Bytes that are often a character, or nearly one.
  static func bytes(using generator: inout some RandomNumberGenerator) -> [UInt8] {
    let edges: [UInt8] = [
      0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0,
      0xF1, 0xF4,
      0xF5, 0xFF,
    ]
    return (0..<Int.random(in: 0...12, using: &generator)).flatMap { _ -> [UInt8] in
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: Array("aé☃🚰".randomElement(using: &generator)?.utf8 ?? "".utf8)
      case 1: [UInt8.random(in: 0...255, using: &generator)]
      default: [edges.randomElement(using: &generator) ?? 0]
      }
    }
  }

  @Test("random bytes, cut at every position and into single bytes")
  func randomBytes() {
    var generator = Generator(state: 1)
    for _ in 0..<20_000 {
      let bytes = Self.bytes(using: &generator)
      let expected = String(decoding: bytes, as: UTF8.self)
      for cut in 0...bytes.count {
        if !Self.same(Self.text([bytes[..<cut], bytes[cut...]]), expected) {
          Issue.record("\(bytes) cut at \(cut)")
        }
      }
      if !Self.same(Self.text(bytes.indices.map { bytes[$0...$0] }), expected) {
        Issue.record("\(bytes) byte by byte")
      }
    }
  }

  @Test("raw bytes come out as they went in, and a stored stream goes on")
  func raw() {
    var generator = Generator(state: 2)
    for _ in 0..<5000 {
      let bytes = Self.bytes(using: &generator)
      var stream = UTF8Stream()
      var out: [UInt8] = []
      for byte in bytes {
        out += stream.feed([byte])
        guard let restored = UTF8Stream(pending: stream.pending) else {
          Issue.record("\(stream.pending) is not restored")
          return
        }
        stream = restored
      }
      #expect(out + stream.flush() == bytes)
      #expect(stream.pending == [])
    }
  }

  @Test("what is valid so far is held back until it is whole; valid text needs no flush")
  func holds() {
    var stream = UTF8Stream()
    #expect(stream.text([0x61, 0xF0, 0x9F]) == "a" && stream.pending == [0xF0, 0x9F])
    #expect(stream.text([0x9A]) == "" && stream.text([0xB0]) == "🚰" && stream.pending == [])
    #expect(stream.text([0xE2]) == "" && stream.text([0x41]) == "\u{FFFD}A")
    #expect(stream.text([0xED, 0xA0]) == "\u{FFFD}\u{FFFD}", "half a surrogate is never held back")
  }

  @Test(
    "only the beginning of one character can be restored",
    arguments: [[0x41], [0x80], [0xE2, 0x98, 0x83], [0x41, 0xE2], [0xF5], [0xE0, 0x80], [0xC3, 0xC3]]
      as [[UInt8]])
  func refused(pending: [UInt8]) { #expect(UTF8Stream(pending: pending) == nil) }

  @Test("the Declaration of Human Rights in all its languages, in pieces of every small size")
  func languages() throws {
    guard let declarations = Self.declarations else {
      print("skipped: ../shared/data/udhr/udhr.jsonl.zst or the zstd tool is absent")
      return
    }
    let lines = declarations.split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == 388)
    for line in lines {
      let expected = String(decoding: line, as: UTF8.self)
      for size in [1, 2, 3, 5, 7, 64, 1000] {
        var stream = UTF8Stream()
        var text: [UInt8] = []
        for start in stride(from: line.startIndex, to: line.endIndex, by: size) {
          let piece = stream.feed(line[start..<min(start + size, line.endIndex)])
          text += piece
          // The text is valid, so each piece must be.
          if size == 5 && String(validating: piece, as: UTF8.self) == nil { Issue.record("a cut character") }
        }
        #expect(text.elementsEqual(line) && stream.pending == [])
        #expect(Self.same(String(decoding: text, as: UTF8.self), expected))
      }
    }
  }

  static let declarations: [UInt8]? = {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let path = "/" + root + "/../shared/data/udhr/udhr.jsonl.zst"
    guard access(path, R_OK) == 0, let pipe = popen("zstd -dcq '\(path)' 2>/dev/null", "r") else {
      return nil
    }
    defer { pclose(pipe) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&block, 1, block.count, pipe), count > 0 { bytes += block[..<count] }
    return bytes.isEmpty ? nil : bytes
  }()
}

/// splitmix64, so that a failure can be repeated.
struct Generator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
