import Foundation
import RunnelFiles
import RunnelText
import Testing

@Suite("RWKV World's vocabulary")
struct RWKVTests {
  /// All bytes and some longer tokens, in the file's form.
  static func file(_ tokens: [String] = ["ab", "abc", "abcdef", "  ", "Ж", "ЖЖ"], end: String = "\n")
    -> [UInt8]
  {
    var lines: [String] = []
    for byte in 0..<256 {
      let hex = String(byte, radix: 16)
      lines.append("\(byte + 1) b'\\x\(hex.count < 2 ? "0" : "")\(hex)' 1")
    }
    for (index, token) in tokens.enumerated() {
      lines.append("\(300 + 2 * index) '\(token)' \(token.utf8.count)")
    }
    return Array(lines.map { $0 + end }.joined().utf8)
  }
  static func tokenizer(_ file: [UInt8] = file()) throws -> RWKVTokenizer {
    try RWKVTokenizer(TokenizerFile(name: "vocabulary.txt", bytes: file), path: "vocabulary.txt")
  }

  @Test("at every place the longest token is taken, and every text comes back")
  func longest() throws {
    let tokenizer = try Self.tokenizer()
    #expect(tokenizer.encode("abcdeabcdefab") == [302, 101, 102, 304, 300])
    #expect(tokenizer.encode("ЖЖЖ   ") == [310, 308, 306, 33])
    #expect(tokenizer.encode([0xFF, 0xD0, 0x96, 0xD0]) == [256, 308, 209])
    #expect(tokenizer.vocabularySize == 311)
    #expect(tokenizer.decode([302, 0, 301, -1, 311, .max, 308]) == Array("abcЖ".utf8))
    #expect(tokenizer.encode([]) == [])
  }

  @Test("tokens have names")
  func names() throws {
    let tokenizer = try Self.tokenizer()
    #expect(tokenizer.token(of: 302) == "abc" && tokenizer.id(of: "abc") == 302)
    #expect(tokenizer.token(of: 0) == "<|endoftext|>" && tokenizer.id(of: "<|endoftext|>") == 0)
    #expect(tokenizer.token(of: 209) == #"b'\xd0'"# && tokenizer.id(of: #"b'\xd0'"#) == 209)
    #expect(
      tokenizer.token(of: 301) == nil && tokenizer.token(of: -1) == nil && tokenizer.token(of: 311) == nil)
    #expect(tokenizer.id(of: "abcd") == nil && tokenizer.id(of: "") == nil)
  }

  @Test("Python's literals are read as Python reads them")
  func literals() throws {
    let lines = [
      #"300 '\x00\x7f\xe9' 4"#, #"301 "it's" 4"#, #"302 'say "\'"' 7"#, #"303 '\u2003\U0001F680' 7"#,
      #"304 b'\xe2\x80' 2"#, #"305 '\\\t\n\r\a\b\v\f' 8"#, #"306 b"'\101\0" 3"#, "307 '  ' 2", "308 'é  é' 6",
    ]
    let expected: [[UInt8]] = [
      [0x00, 0x7F, 0xC3, 0xA9], Array("it's".utf8), Array("say \"'\"".utf8), Array("\u{2003}\u{1F680}".utf8),
      [0xE2, 0x80], [0x5C, 9, 10, 13, 7, 8, 11, 12], [0x27, 0x41, 0], [0x20, 0x20], Array("é  é".utf8),
    ]
    for end in ["\n", "\r\n"] {
      let text = lines.map { $0 + end }.joined()
      let tokenizer = try Self.tokenizer(Self.file([], end: end) + Array(text.utf8))
      for (index, bytes) in expected.enumerated() {
        #expect(tokenizer.decode([Int32(300 + index)]) == bytes)
        #expect(tokenizer.encode(bytes) == [Int32(300 + index)])
      }
    }
  }

  @Test(
    "a line that is not one of the format is refused by its number",
    arguments: [
      "x 'a' 1", "'a' 1", "300 a 2", "300 'ab 2", "300 'ab' 3", "300 'ab' ", "300 'ab'", "300  'ab' 2",
      "300 'ab' 2 ", "0 'ab' 2", "-1 'ab' 2", "99999999999999999999 'ab' 2", "300 '' 0", #"300 '\q' 2"#,
      #"300 '\x4' 1"#, #"300 '\ud800' 3"#, #"300 '\U00110000' 4"#, #"300 b'\u0041' 1"#, #"300 b'é' 2"#,
      #"300 '\N{DASH}' 3"#, #"300 b'\777' 1"#, #"300 'ab\"#, "", "65 'ab' 2", "299 'a' 1",
    ])
  func refused(line: String) throws {
    let file = Self.file([]) + Array((line + "\n300 'zz' 2\n").utf8)
    let error = try #require(throws: FileError.self) { try Self.tokenizer(file) }
    #expect(error.place.hasPrefix("line 257"), "\(error)")
  }

  @Test("a vocabulary must have every byte, and each token once")
  func incomplete() throws {
    let lines = Self.file([]).split(separator: UInt8(ascii: "\n"))
    let missing = Array(lines.dropFirst(7).joined(separator: [UInt8(ascii: "\n")]))
    let error = try #require(throws: FileError.self) { try Self.tokenizer(missing) }
    #expect(error.description.contains("none for byte 0"))
    #expect(throws: FileError.self) { try Self.tokenizer([]) }
    let twice = try #require(throws: FileError.self) { try Self.tokenizer(Self.file(["ab", "abc", "ab"])) }
    #expect(twice.description.contains("line 259") && twice.description.contains("line 257"))
  }

  @Test("cutting the input elsewhere does not change the ids")
  func cutting() throws {
    let tokenizer = try Self.tokenizer()
    var generator = Generator(state: 1)
    var early = 0
    for _ in 0..<2000 {
      let text = randomText(using: &generator, alphabet: ["a", "ab", "abc", "de", "def", "Ж", "ЖЖ"])
      let whole = tokenizer.encode(text)
      let cut = tokenizer.encode(text, cutUsing: &generator)
      #expect(cut.ids == whole && tokenizer.decode(whole) == text)
      early += cut.early
    }
    #expect(early > 10_000, "ids come before the end")
  }

  @Test("damage to the file is an error or leaves a tokenizer that works")
  func damage() throws {
    let original = Self.file()
    let text = randomBytes(200)
    var generator = Generator(state: 2)
    var refused = 0
    for _ in 0..<1500 {
      do {
        let tokenizer = try Self.tokenizer(damaged(original, using: &generator))
        #expect(tokenizer.decode(tokenizer.encode(text)) == text)
      } catch is FileError {
        refused += 1
      }
    }
    #expect(refused > 700)
  }
  private func randomBytes(_ count: Int) -> [UInt8] {
    var generator = Generator(state: 9)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  @Test("the ids are those of the rwkv package on the shared strings")
  func vectors() throws {
    guard let vectors = TokenizerVectors() else { return }
    let tokenizer = try #require(
      Tokenizers.load(vectors.folder + "/rwkv/rwkv_vocab_v20230424.txt") as? RWKVTokenizer)
    #expect(tokenizer.vocabularySize == 65530)
    #expect(tokenizer.sha256 == "e6dee3d4e31b4d5c40ac99508ac6c701ceef4bed681bf2167ce9a908552bca89")
    var generator = Generator(state: 3)
    var compared = 0
    for line in vectors.lines {
      let text = Array(try #require(line["text"] as? String).utf8)
      let expected = try #require(line["rwkv"] as? [Int]).map { Int32($0) }
      #expect(tokenizer.encode(text) == expected && tokenizer.decode(expected) == text)
      #expect(tokenizer.encode(text, cutUsing: &generator).ids == expected)
      compared += 1
    }
    #expect(compared == 45)
    for id in Int32(0)..<65530 {
      let name = try #require(tokenizer.token(of: id))
      if !name.hasPrefix("b'") && tokenizer.id(of: name) != id {
        Issue.record("\(id) is not found by its name")
      }
    }
  }
}
