import Foundation
import RunnelFiles
import RunnelText
import Testing

@Suite("tiktoken's files and tekken.json: the ids of the originals")
struct RankedTokenizerTests {
  static let tokens: [[UInt8]] =
    (UInt8.min...UInt8.max).map { [$0] } + RankedGolden.more.map { Array($0.utf8) }

  static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

  static func tiktoken(_ name: String, tokens: [[UInt8]] = tokens) -> TokenizerFile {
    let lines = tokens.enumerated().map { "\(base64($1)) \($0)\n" }
    return TokenizerFile(name: name, bytes: Array(lines.joined().utf8))
  }
  static func tekken(_ members: String = "") -> TokenizerFile {
    let vocabulary = tokens.enumerated().map {
      #"{"rank":\#($0),"token_bytes":"\#(base64($1))","token_str":null}"#
    }
    let json =
      #"{"config":\#(RankedGolden.tekken),\#(members)"vocab":[\#(vocabulary.joined(separator: ","))]}"#
    return TokenizerFile(name: "tokenizer.json", bytes: Array(json.utf8))
  }
  static func file(_ encoding: String) -> TokenizerFile {
    encoding == "tekken" ? tekken() : tiktoken(encoding + ".tiktoken")
  }

  @Test("small vocabularies in every encoding, whole and in pieces", arguments: RankedGolden.ids.indices)
  func golden(index: Int) throws {
    let (encoding, expected) = RankedGolden.ids[index]
    let tokenizer = try #require(try Tokenizers.load(Self.file(encoding), path: encoding) as? BPETokenizer)
    for (text, ids) in zip(RankedGolden.texts, expected) {
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
      for size in [1, 2, 5] {
        #expect(
          TokenizerJSONTests.encode(tokenizer, Array(text.utf8), size: size) == ids,
          "\(text.debugDescription)")
      }
      if encoding != "qwen" { #expect(tokenizer.decode(ids) == Array(text.utf8)) }
    }
    // Bytes of no character come back too, and tokens by their names.
    let all = (UInt8.min...UInt8.max).flatMap { byte -> [UInt8] in [byte, 0x20, 0xE4, byte] }
    #expect(tokenizer.decode(tokenizer.encode(all)) == all)
    for id in tokenizer.encode(all) { #expect(tokenizer.token(of: id).flatMap(tokenizer.id) == id) }
  }

  @Test("any cutting of any bytes gives the same ids", arguments: RankedGolden.ids.indices)
  func cutting(index: Int) throws {
    let tokenizer = try #require(
      try Tokenizers.load(Self.file(RankedGolden.ids[index].encoding), path: "t") as? BPETokenizer)
    var generator = Generator(state: 31)
    for _ in 0..<200 {
      let bytes = randomText(using: &generator, alphabet: RankedGolden.more + ["<|endoftext|>", "<|end"])
      let ids = tokenizer.encode(bytes)
      for size in [1, 3] where TokenizerJSONTests.encode(tokenizer, bytes, size: size) != ids {
        Issue.record("\(bytes) in pieces of \(size)")
      }
    }
  }

  @Test("what begins and ends a text is what the folder says, else what the kind of the file does")
  func marks() throws {
    let end = "<|endoftext|>"
    for (file, settings, begin, last) in [
      (Self.tekken(), nil, "<s>", "</s>"), (Self.tekken(), #"{"model_max_length": 9}"#, "<s>", "</s>"),
      (Self.tekken(), #"{"eos_token": null}"#, "<s>", nil),
      (Self.tekken(), #"{"eos_token": "<s>"}"#, "<s>", "<s>"),
      (Self.tiktoken("cl100k_base.tiktoken"), nil, end, end), (Self.tiktoken("qwen.tiktoken"), nil, nil, end),
    ] as [(TokenizerFile, String?, String?, String?)] {
      let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      try Data(file.bytes).write(to: folder.appending(path: Tokenizers.nameInFolder(for: file)))
      try settings.map { try Data($0.utf8).write(to: folder.appending(path: "tokenizer_config.json")) }
      let tokenizer = try Tokenizers.load(folder.path)
      let marks = try Tokenizers.marks(in: folder.path, of: tokenizer)
      let expected = [begin, last].map { name in name.flatMap { tokenizer.id(of: $0) } }
      #expect([marks.begin, marks.end] == expected, "\(file.name), \(settings ?? "no settings")")
      #expect(last == nil || expected[1] != nil)
    }
  }

  @Test("a file is known by its content, and keeps the name that tells its encoding")
  func kinds() throws {
    #expect(Tokenizers.Kind(Self.tiktoken("x")) == .tiktoken && Tokenizers.Kind(Self.tekken()) == .tekken)
    let encodings: [String] = RankedGolden.ids.map(\.encoding)
    for encoding in encodings where encoding != "tekken" {
      let file = Self.tiktoken(encoding + ".tiktoken")
      #expect(Tokenizers.nameInFolder(for: file) == file.name && Tokenizers.fileNames.contains(file.name))
      let tokenizer = try BPETokenizer(file, path: "t"), summary = try TokenizerSummary(tokenizer)
      #expect(summary.kind == "tiktoken" && !summary.specialTokens.isEmpty)
      #expect(summary.specialTokens.allSatisfy { tokenizer.id(of: $0.token) == Int32($0.id) })
    }
    #expect(Tokenizers.nameInFolder(for: Self.tekken()) == "tekken.json")
    let tekken = try BPETokenizer(Self.tekken(), path: "t")
    #expect(
      try TokenizerSummary(tekken).kind == "tekken" && tekken.id(of: "<s>") == 1
        && tekken.token(of: 29) == "<SPECIAL_29>")
    let specials = try TokenizerSummary(tekken).specialTokens
    #expect(specials.count == 30 && specials[1] == (1, "<s>") && specials[29] == (29, "<SPECIAL_29>"))
    let json = TokenizerFile(name: "tokenizer.model", bytes: Array(SmallTokenizers.cases[0].json.utf8))
    #expect(Tokenizers.Kind(json) == .tokenizerJSON)
  }

  static let refusals: [(file: TokenizerFile, words: [String])] = [
    (tiktoken("tokenizer.model"), ["content", "how text is cut", "cl100k_base.tiktoken"]),
    (tiktoken("cl100k_base.tiktoken", tokens: Array(tokens[1...])), ["vocabulary", "byte 0"]),
    (tiktoken("cl100k_base.tiktoken", tokens: tokens + [tokens[7]]), ["line \(tokens.count + 1)", "once"]),
    (tiktoken("qwen.tiktoken", tokens: tokens + [[UInt8](repeating: 97, count: 3_000)]), ["line", "3000"]),
    (TokenizerFile(name: "qwen.tiktoken", bytes: Array("AA== 0\nAQ= 1\n".utf8)), ["line 2", "base64"]),
    (TokenizerFile(name: "qwen.tiktoken", bytes: Array("AA== 0\nAQ== -1\n".utf8)), ["line 2", "-1"]),
    (
      tekken(#""special_tokens":[{"rank":1,"token_str":"<unk>","is_control":true}],"#),
      ["special_tokens[0]", "rank 1"]
    ),
    (
      TokenizerFile(name: "t", bytes: Array(#"{"config":{"pattern":"a"},"vocab":[]}"#.utf8)),
      ["config.default_num_special_tokens", "none"]
    ),
    (
      TokenizerFile(
        name: "t", bytes: Array(#"{"config":{},"vocab":[{"rank":1,"token_bytes":"AA=="}]}"#.utf8)),
      ["vocab[0]", "rank 1"]
    ),
  ]

  @Test("what is not sound is refused with what and where", arguments: refusals.indices)
  func refused(index: Int) throws {
    let (file, words) = Self.refusals[index]
    do {
      _ = try Tokenizers.load(file, path: "file")
      Issue.record("accepted")
    } catch let error as FileError {
      for word in words { #expect(error.description.contains(word), "\(error)") }
      #expect(!error.description.contains("\n"))
    }
  }
}
