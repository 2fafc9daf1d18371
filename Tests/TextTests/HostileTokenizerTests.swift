import RunnelFiles
import RunnelText
import Testing

@Suite("Hostile tokenizers cost neither memory nor time")
struct HostileTokenizerTests {
  private static func sequence(_ count: Int, _ part: String) -> String {
    Array(repeating: part, count: count).joined(separator: ",")
  }

  static let growing: [(description: String, members: String)] = [
    (
      "forty replacements of a by aa",
      #""normalizer":{"type":"Sequence","normalizers":[\#(sequence(40, #"{"type":"Replace","pattern":{"String":"a"},"content":"aa"}"#))]}"#
    ),
    (
      "replacements by what the next one finds, as patterns",
      #""normalizer":{"type":"Sequence","normalizers":[\#(sequence(40, #"{"type":"Replace","pattern":{"Regex":"[a-c]"},"content":"abc"}"#))]}"#
    ),
    (
      "a content of many bytes",
      #""normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"\#(String(repeating: "b", count: 5_000))"}"#
    ),
    (
      "a long beginning",
      #""normalizer":{"type":"Prepend","prepend":"\#(String(repeating: "b", count: 5_000))"}"#
    ),
    (
      "bytes spelled again and again",
      #""pre_tokenizer":{"type":"Sequence","pretokenizers":[\#(sequence(30, #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}"#))]}"#
    ),
    (
      "signs before every piece of pieces",
      #""pre_tokenizer":{"type":"Sequence","pretokenizers":[\#(sequence(30, #"{"type":"Metaspace","replacement":"\u2581"}"#))]}"#
    ),
    (
      "thousands of steps",
      #""normalizer":{"type":"Sequence","normalizers":[\#(sequence(3_000, #"{"type":"NFC"}"#))]}"#
    ),
    (
      "a decoder of replacements",
      #""decoder":{"type":"Sequence","decoders":[\#(sequence(40, #"{"type":"Replace","pattern":{"String":"a"},"content":"aa"}"#))]}"#
    ),
  ]

  @Test("steps that make much of little are refused with a sentence", arguments: growing.indices)
  func growth(index: Int) throws {
    do {
      _ = try TokenizerJSONTests.tokenizer(
        SmallTokenizers.json(members: Self.growing[index].members, options: #""unk_token":null"#))
      Issue.record("accepted: \(Self.growing[index].description)")
    } catch let error as FileError {
      #expect(error.description.contains("at most"), "\(error)")
      #expect(!error.description.contains("\n"))
    }
  }

  @Test("many replacements that do not feed each other are accepted")
  func independent() throws {
    let steps = [
      "½", "¼", "¾", "…", "“", "”", "–", "ﬁ", "ﬂ", "№", "™", "®", "©", "•", "°", "×", "÷", "€", "£", "¥",
    ].map {
      #"{"type":"Replace","pattern":{"String":"\#($0)"},"content":" a b c "}"#
    }
    let json = SmallTokenizers.json(
      members: #""normalizer":{"type":"Sequence","normalizers":[\#(steps.joined(separator: ","))]}"#,
      options: #""unk_token":null"#)
    #expect(try TokenizerJSONTests.tokenizer(json).encode("½") == [13, 2, 13, 3, 13, 4, 13])
  }

  /// Patterns, and a text on which looking at every place anew is quadratic, or on which trying everything is exponential.
  static let patterns: [(pattern: String, piece: String, end: String)] = [
    ("a+(?=b)|c", "a", "c"), (#"\s+(?!\S)x"#, " ", "x"), ("(?=.*b)a", "a", "c"), ("(?=.*b)a", "a", "b"),
    ("a(?!.*b)", "a", "b"),
    ("(?:a|b)+c", "ab", "d"), ("(?:a|aa)+b", "a", "c"), ("(?:a+)+b", "a", "c"), ("(?:a?b?a)+c", "a", "d"),
    ("(?:a|ab|b)*(?=c)a", "ab", "c"), ("(?:ab)*+c", "ab", "d"), ("(?>(?:ab)*)c", "ab", "d"),
    ("a.*?b", "a", "c"),
    ("(?=(?:ab)*c)a", "ab", "c"), ("(?=(?:ab)*c)a", "ab", "d"), ("(?:(?:a|b)(?:a|b))+c", "ab", "d"),
    ("a*a*a*a*b", "a", "c"),
    ("(?:a{1,3}){2,}b", "a", "c"), ("(?<!b)a+c", "a", "d"), (#"(?:\p{L}\p{M}*)+\d"#, "a", "c"),
    ("a{0,20}a{0,20}a{0,20}a{0,20}b", "a", "c"),
  ]

  @Test("the work of a pattern grows with the text, not faster", arguments: patterns.indices)
  func time(index: Int) throws {
    let (text, piece, end) = Self.patterns[index]
    let pattern = try Pattern(text)
    func work(_ count: Int) -> Int {
      Array((String(repeating: piece, count: count) + end).utf8).withUnsafeBufferPointer { bytes in
        var search = PatternSearch(pattern, bytes, isFinal: true)
        var position = 0
        while position < bytes.count, let (_, end) = search.find(from: position) { position = end }
        return search.workBefore
      }
    }
    let (short, long) = (work(2_000), work(8_000))
    #expect(long < 6 * short + 10_000, "\(text): \(short) steps, then \(long)")
  }
}
