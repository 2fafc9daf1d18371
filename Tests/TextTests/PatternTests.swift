import RunnelText
import Testing

@Suite("the patterns of pre-tokenizers")
struct PatternTests {
  static func pieces(_ pattern: Pattern, _ text: String) -> [String] {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      var pieces: [String] = []
      var position = 0
      var search = PatternSearch(pattern, bytes, isFinal: true)
      while let (start, end) = search.find(from: position) {
        pieces.append(String(decoding: bytes[start..<end], as: UTF8.self))
        position = end
      }
      return pieces
    }
  }

  static let matches: [(pattern: String, text: String, pieces: [String])] = [
    (#"\s+(?!\S)"#, "a  b \n", [" ", " \n"]),
    (#"\s+(?=b)|a"#, "a  b ", ["a", "  "]),
    (#"(?i:'s|k)x?"#, "'Sx'ſ K\u{212A}x", ["'Sx", "'ſ", "K", "\u{212A}x"]),
    (#"\p{N}{1,3}"#, "12345", ["123", "45"]),
    (#"\p{N}{2}|\p{^N}"#, "123a", ["12", "a"]),
    (#"[^\s\p{L}]+"#, "ab12 !?c", ["12", "!?"]),
    (#"[a-c\-]+\d*+x"#, "ab-12x cx", ["ab-12x", "cx"]),
    (#"a*+ab|c"#, "aabc", ["c"]),
    (#"a*ab"#, "aaab", ["aaab"]),
    (#"(?:the|th|t)(e|f)?."#, "thex the\nthf", ["thex", "the", "thf"]),
    (#"\x41\u00E9\x{5B57}"#, "Aé字:", ["Aé字"]),
    (#"\P{L}|\W"#, "a1", ["1"]),
    (#"\p{Lu}\p{Ll}+"#, "ABc Déf", ["Bc", "Déf"]),
  ]

  @Test("what matches", arguments: matches.indices)
  func find(index: Int) throws {
    let (pattern, text, pieces) = Self.matches[index]
    #expect(Self.pieces(try Pattern(pattern), text) == pieces)
  }

  @Test(
    "what is not supported is refused",
    arguments: [
      "a*", "", "(", ")", "[", "[]", "a{", "a{3,1}", "(?<=a+)b", "(?<=(?=a)a)b", "(?#n)a", "(a*)+b", "a**",
      "(?=a)*b", "^*a", #"\1"#, #"\p{Hun}"#, #"\p{L"#, #"\pL"#, "[[:alpha:]]", "[a&&]", "[&&a]", "(?i:[ß])",
      #"(?i:[\p{L}])"#, "(?i:ss)", "(?i:[s]s)", "(?i:ŉ)", "a(?i)b", "[b-a]", #"\"#, #"a{1,3}++"#, "a{2}?b",
      #"\x{110000}"#, String(repeating: "(", count: 100), String(repeating: "[", count: 100),
      String(repeating: "a", count: 5_000), "(?:(?:ab){1000}){1000}", "a|", "(?=a)", #"\xC3"#, #"\K"#,
    ])
  func refused(pattern: String) {
    #expect(throws: PatternError.self) { try Pattern(pattern) }
  }

  static let scanners: [(name: String, pattern: String)] = [
    ("GPT-2", WordScanner.gpt2Pattern),
    ("cl100k and Llama 3", WordScanner.cl100kPattern(digits: "{1,3}")),
    ("Qwen 2", WordScanner.cl100kPattern(digits: "")),
  ]

  @Test(
    "a scanner is its pattern, on random characters and bytes, whole or cut anywhere",
    arguments: scanners.indices)
  func scanner(index: Int) throws {
    let text = Self.scanners[index].pattern
    let pattern = try Pattern(text)
    let scanner = try #require(WordScanner(pattern: text))
    var generator = Generator(state: 17)
    let characters = [
      "a", "é", "字", "ſ", "'", "s", "S", "t", "re", "LL", "v", "1", "²", "Ⅷ", " ", " ", "\n", "\r", "\t",
      "\u{A0}", "\u{3000}", "!", "¡", "🚰", "\u{301}", "\u{E000}", "\u{10D4A}",
    ]
    .map { Array($0.utf8) }
    for _ in 0..<30_000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 1...9, using: &generator) {
        bytes +=
          Int.random(in: 0..<12, using: &generator) == 0
          ? [.random(in: 0x80...0xFF, using: &generator)] : characters.randomElement(using: &generator) ?? []
      }
      bytes.withUnsafeBufferPointer { bytes in
        let whole = scanner.end(bytes, 0, isFinal: true)
        if whole != pattern.match(bytes, at: 0, isFinal: true) { Issue.record("\(Array(bytes)): \(whole)") }
        for end in 1...bytes.count {
          let part = UnsafeBufferPointer(rebasing: bytes[..<end])
          let early = scanner.end(part, 0, isFinal: false)
          if early != WordScanner.undecided && early != whole {
            Issue.record("\(Array(part)) is decided too early")
          }
          let slow = pattern.match(part, at: 0, isFinal: false)
          if slow != Pattern.undecided && slow != whole {
            Issue.record("\(Array(part)) is decided too early by the pattern")
          }
          if early == WordScanner.undecided, slow != Pattern.undecided {
            Issue.record("\(Array(part)) is decided too late")
          }
        }
      }
    }
  }

  @Test("categories are those of Unicode 16: assigned later is unassigned")
  func categories() throws {
    func count(_ name: String) throws -> Int {
      let pattern = try Pattern("\\p{\(name)}")
      return (UInt32(1)...0x10FFFF).count { value in
        guard let scalar = Unicode.Scalar(value) else { return false }
        return Array(String(scalar).utf8).withUnsafeBufferPointer {
          pattern.match($0, at: 0, isFinal: true) > 0
        }
      }
    }
    #expect(try count("L") == 141_028)
    #expect(try count("N") == 1_911)
    #expect(try count("M") == 2_501)
    #expect(try count("Zs") == 17)
  }
}
