import RunnelFiles
import RunnelText
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("tokenizer.json: the ids of the original")
struct TokenizerJSONTests {
  static func tokenizer(_ json: String) throws -> BPETokenizer {
    try BPETokenizer(TokenizerFile(name: "tokenizer.json", bytes: Array(json.utf8)), path: "tokenizer.json")
  }

  /// The ids of a text that comes in pieces of `size` bytes.
  static func encode(_ tokenizer: some Tokenizer, _ bytes: [UInt8], size: Int) -> [Int32] {
    var ids: [Int32] = []
    var encoder = tokenizer.encoder()
    for start in stride(from: 0, to: bytes.count, by: size) {
      bytes[start..<min(start + size, bytes.count)].withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
    }
    encoder.finish(into: &ids)
    return ids
  }

  @Test("small files of every part, in one piece and byte by byte", arguments: SmallTokenizers.cases)
  func small(_ small: SmallTokenizers.Case) throws {
    let tokenizer = try Self.tokenizer(small.json)
    for (text, ids, decoded) in small.texts {
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
      #expect(
        Self.encode(tokenizer, Array(text.utf8), size: 1) == ids, "\(text.debugDescription), byte by byte")
      #expect(String(decoding: tokenizer.decode(ids), as: UTF8.self).utf8.elementsEqual(decoded.utf8))
    }
    #expect(
      tokenizer.vocabularySize >= 38 && tokenizer.id(of: "the") == 20 && tokenizer.token(of: 20) == "the")
    #expect(tokenizer.token(of: 100) == nil && tokenizer.decode([-1, 100, .max]) == [])
    // What a corpus keeps is enough.
    let file = try #require(tokenizer.file)
    let again = try Tokenizers.load(file, path: "kept")
    for (text, ids, _) in small.texts { #expect(again.encode(text) == ids) }
  }

  @Test("every character has the script of the original's table, which cuts words")
  func scripts() {
    var classes: [UInt8: Int] = [WordScripts.any: 0], runs = "", before = -1
    for value in UInt32(0)..<CharacterReader.invalid {
      let number = WordScripts.number(of: value), own = classes[number] ?? classes.count
      classes[number] = own
      if own != before { runs += String(value, radix: 16) + ":\(own) " }
      before = own
    }
    // As `tools/golden/unicode.py words` prints.
    #expect(classes.count - 1 == 135)
    #expect(
      SHA256.hex(of: Array(runs.utf8)) == "98433571c33678d23a9372d67ac019278fc0a721e3111feb711204fb06133973")
  }

  @Test("any cutting of any bytes gives the same ids", arguments: SmallTokenizers.cases)
  func cutting(_ small: SmallTokenizers.Case) throws {
    let tokenizer = try Self.tokenizer(small.json)
    var generator = Generator(state: 7)
    let pieces =
      small.texts.map { Array($0.text.utf8) }
      + ["the", "▁", "e\u{301}", "<a", "  ", "1", "\n", "字"].map { Array($0.utf8) }
    for _ in 0..<60 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 0...8, using: &generator) {
        bytes += pieces.randomElement(using: &generator) ?? []
        if Int.random(in: 0..<4, using: &generator) == 0 {
          bytes.append(UInt8.random(in: 0...255, using: &generator))
        }
      }
      let ids = tokenizer.encode(bytes)
      for size in [1, 2, 3, 7] where Self.encode(tokenizer, bytes, size: size) != ids {
        Issue.record("\(bytes) in pieces of \(size)")
      }
      // One encoder, one document after the other.
      var encoder = tokenizer.encoder()
      var stream: [Int32] = []
      for _ in 0..<2 {
        bytes.withUnsafeBufferPointer { encoder.feed($0, into: &stream) }
        encoder.finish(into: &stream)
      }
      if stream != ids + ids { Issue.record("\(bytes) after itself") }
    }
  }

  @Test("words come out before the text ends")
  func streams() throws {
    for small in SmallTokenizers.cases.prefix(2) + SmallTokenizers.cases[4...5] {
      let tokenizer = try Self.tokenizer(small.json)
      var encoder = tokenizer.encoder()
      var ids: [Int32] = []
      Array("the the the th".utf8).withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      let early = ids.count
      #expect(early >= 3, "\(small)")
      encoder.finish(into: &ids)
      #expect(ids == tokenizer.encode("the the the th"))
    }
  }

  @Test("the special tokens of the template are added on demand only")
  func template() throws {
    let json = SmallTokenizers.json(
      members: #""added_tokens":[{"id":38,"content":"<s>","special":true}],"normalizer":null"#,
      options: #""unk_token":null"#
    ).replacing(
      #""post_processor":null"#,
      with: #"""
        "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},\#
        {"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[38],"tokens":["<s>"]}}}
        """#)
    #expect(try Self.tokenizer(json).encode("the") == [20])
    let file = TokenizerFile(name: "tokenizer.json", bytes: Array(json.utf8))
    let tokenizer = try BPETokenizer(file, path: "tokenizer.json").addingSpecialTokens()
    #expect(tokenizer.encode("the") == [38, 20] && tokenizer.encode("") == [38])
    #expect(tokenizer.id(of: "<s>") == 38 && tokenizer.token(of: 38) == "<s>")
    // A flush opens a text, but neither ends nor opens one again.
    var encoder: any TokenEncoder = tokenizer.encoder()
    var ids: [Int32] = []
    for part in ["the", "the", ""] {
      Array(part.utf8).withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      encoder.flush(into: &ids)
    }
    encoder.finish(into: &ids)
    #expect(ids == [38, 20, 20])
  }

  @Test(
    "settings of calls and of training change nothing",
    arguments: [#"{"max_length":2,"strategy":"LongestFirst"}"#, "null"])
  func callSettings(value: String) throws {
    let json = SmallTokenizers.cases[0].json
      .replacing(#""truncation":null,"padding":null"#, with: #""truncation":\#(value),"padding":\#(value)"#)
      .replacing(#""dropout":null"#, with: #""dropout":0.9"#)
    let tokenizer = try Self.tokenizer(json)
    for (text, ids, _) in SmallTokenizers.cases[0].texts { #expect(tokenizer.encode(text) == ids) }
  }

  @Test("what the original puts around a document", arguments: SmallTokenizers.templates.indices)
  func processors(index: Int) throws {
    let (processor, ids, empty) = SmallTokenizers.templates[index]
    let json = SmallTokenizers.cases[0].json
      .replacing(#""post_processor":null"#, with: #""post_processor":\#(processor)"#)
    let file = TokenizerFile(name: "tokenizer.json", bytes: Array(json.utf8))
    let tokenizer = try BPETokenizer(file, path: "tokenizer.json").addingSpecialTokens()
    #expect(tokenizer.encode("the") == ids && tokenizer.encode("") == empty)
  }

  @Test("a flush gives all that was kept back, and the text goes on")
  func flush() throws {
    let tokenizer = try Self.tokenizer(SmallTokenizers.cases[0].json)
    var encoder = tokenizer.encoder()
    var ids: [Int32] = []
    func feed(_ text: String) { Array(text.utf8).withUnsafeBufferPointer { encoder.feed($0, into: &ids) } }
    feed("the\n")
    // White space may go on.
    #expect(ids == [20])
    encoder.flush(into: &ids)
    #expect(ids == [20, 18])
    feed("the abc")
    encoder.flush(into: &ids)
    encoder.flush(into: &ids)
    encoder.finish(into: &ids)
    #expect(ids == tokenizer.encode("the\nthe abc"))
  }

  @Test("a text that goes on does not lose its first space; fallback bytes come back as they are")
  func continuing() throws {
    let llama = SmallTokenizers.cases[4]
    let tokenizer = try Self.tokenizer(llama.json)
    #expect(tokenizer.encode([0xC3]) == [1, 29] && tokenizer.decode([1, 29]) == [0xC3])
    var bytes: [UInt8] = []
    var decoder = tokenizer.decoder(continuing: true)
    decoder.feed(21, into: &bytes)
    decoder.finish(into: &bytes)
    #expect(bytes == Array(" the".utf8))
  }

  private static let bert = #"{"type":"BertProcessing","sep":["x",16],"cls":["c",4]}"#

  static let refusals: [(members: String, options: String, words: [String])] = [
    (
      #""normalizer":{"type":"Precompiled","precompiled_charsmap":""}"#, "",
      ["normalizer.type", "Precompiled"]
    ),
    (
      #""normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFX"}]}"#, "",
      ["normalizer.normalizers[1].type", "NFX"]
    ),
    (#""pre_tokenizer":{"type":"Syllables"}"#, "", ["pre_tokenizer.type", "Syllables"]),
    (#""pre_tokenizer":{"type":"Punctuation","behavior":"Up"}"#, "", ["pre_tokenizer.behavior", "Up"]),
    (#""pre_tokenizer":{"type":"FixedLength","length":0}"#, "", ["pre_tokenizer.length", "0"]),
    (
      #""pre_tokenizer":{"type":"CharDelimiterSplit","delimiter":"ab"}"#, "",
      ["pre_tokenizer.delimiter", "ab"]
    ),
    (
      #""pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{Hun}"},"behavior":"Isolated","invert":false}"#,
      "", ["pre_tokenizer.pattern", "Hun"]
    ),
    (
      #""pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?<=a+)b"},"behavior":"Isolated","invert":false}"#,
      "", ["pre_tokenizer.pattern", "behind"]
    ),
    (
      #""pre_tokenizer":{"type":"Split","pattern":{"Regex":"a*"},"behavior":"Isolated","invert":false}"#, "",
      ["pre_tokenizer.pattern", "nothing"]
    ),
    (
      #""pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Sideways","invert":false}"#, "",
      ["pre_tokenizer.behavior", "Sideways"]
    ),
    (#""post_processor":{"type":"Post"}"#, "", ["post_processor.type", "Post"]),
    (
      #""post_processor":{"type":"BertProcessing","sep":["x"],"cls":["c",4]}"#, "",
      ["post_processor.sep", "1"]
    ),
    (
      #""post_processor":{"type":"Sequence","processors":[\#(bert),\#(bert)]}"#, "",
      ["post_processor.processors[1]", "one processor"]
    ),
    (#""decoder":{"type":"CTC"}"#, "", ["decoder.type", "CTC"]),
    (
      #""decoder":{"type":"Sequence","decoders":[{"type":"BPEDecoder","suffix":"</w>"}]}"#, "",
      ["decoder.decoders[0].type", "BPEDecoder"]
    ),
    (#""decoder":{"type":"BPEDecoder","suffix":""}"#, "", ["decoder.suffix", "not empty"]),
    (#""decoder":{"type":"WordPiece"}"#, "", ["decoder.type", "WordPiece"]),
    (#""pre_tokenizer":{"type":"ByteLevel","extra":1}"#, "", ["pre_tokenizer.extra", "1"]),
    (#""post":{}"#, "", ["post", "object"]),
    (#""added_tokens":[{"id":99,"content":"<s>"}]"#, "", ["added_tokens[0].id", "38", "99"]),
    ("", #""dropout":"no""#, ["model.dropout", "no"]),
    ("", #""end_of_word_suffix":3"#, ["model.end_of_word_suffix", "3"]),
    ("", #""continuing_subword_prefix":"@@""#, ["model.continuing_subword_prefix", "@@"]),
    ("", #""unk_token":"none""#, ["model.unk_token", "none"]),
    ("", #""fuse_unk":3"#, ["model.fuse_unk", "3"]),
    ("", #""type":"Unigram""#, ["model.type", "Unigram"]),
    ("", #""merges":["a b c"]"#, ["model.merges[10]", "a b c"]),
    ("", #""merges":["c b"]"#, ["model.merges[10]", "\"c\" and \"b\""]),
  ]

  @Test("what is not supported is refused by name", arguments: refusals.indices)
  func refused(index: Int) throws {
    let (members, options, words) = Self.refusals[index]
    let extra = options.isEmpty ? "" : "," + options
    let model =
      #""model":{"vocab":\#(SmallTokenizers.vocabulary),"merges":\#(SmallTokenizers.merges)\#(extra)}"#
    let json = "{\(members.isEmpty ? "" : members + ",")\(model)}"
    do {
      _ = try Self.tokenizer(json)
      Issue.record("accepted: \(members) \(options)")
    } catch let error as FileError {
      for word in words { #expect(error.description.contains(word), "\(error)") }
      #expect(!error.description.contains("\n"))
    }
  }

  @Test("a damaged file is refused, or is another tokenizer; it never crashes")
  func damage() throws {
    var generator = Generator(state: 11)
    for small in SmallTokenizers.cases {
      let bytes = Array(small.json.utf8)
      for round in 0..<40 {
        var damaged = bytes
        if round % 4 == 0 {
          damaged.removeLast(Int.random(in: 1...damaged.count, using: &generator))
        } else {
          for _ in 0..<round % 4 {
            damaged[Int.random(in: 0..<damaged.count, using: &generator)] = UInt8.random(
              in: 0...255, using: &generator)
          }
        }
        guard
          let tokenizer = try? BPETokenizer(TokenizerFile(name: "t", bytes: damaged), path: "t")
        else { continue }
        let ids = tokenizer.encode("the abc\u{E9} <s> 11--a\n")
        if ids.contains(where: { $0 < 0 || $0 >= tokenizer.vocabularySize }) { Issue.record("\(ids)") }
        _ = tokenizer.decode(ids)
      }
    }
  }

  @Test(
    "GPT-2's pair of files says what tokenizer.json says",
    arguments: [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")])
  func pair(names: (String, String)) throws {
    let folder = try PairFolder()
    let merges = "#version: 0.2\nĠ a\r\nt h\nth e\nĠ the\n\n"
    try folder.write(SmallTokenizers.vocabulary, to: names.0)
    try folder.write(merges, to: names.1)
    for path in [folder.path, folder.path + "/" + names.0, folder.path + "/" + names.1] {
      let tokenizer = try Tokenizers.load(path)
      #expect(tokenizer.encode("the a") == [20, 24] && tokenizer.name == "tokenizer.json")
      let file = try #require(tokenizer.file)
      #expect(try Tokenizers.load(file, path: "kept").encode(" the") == [25])
    }
    try folder.write("#version: 0.2\na b c\n", to: names.1)
    #expect(throws: FileError.self) { try Tokenizers.load(folder.path) }
  }
}

/// A folder that goes when its owner does.
private final class PairFolder {
  let path: String
  private var names: Set<String> = []

  init() throws {
    var template = Array("/tmp/runnel-pair-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
  }
  func write(_ text: String, to name: String) throws {
    names.insert(name)
    let file = try #require(fopen(path + "/" + name, "w"))
    defer { fclose(file) }
    #expect(fwrite(text, 1, text.utf8.count, file) == text.utf8.count)
  }
  deinit {
    for name in names { unlink(path + "/" + name) }
    rmdir(path)
  }
}
