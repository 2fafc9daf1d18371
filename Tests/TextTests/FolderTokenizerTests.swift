/// What a folder says of its tokenizer beside the tokenizer's file, against transformers.

import Foundation
import RunnelFiles
import Testing

@testable import RunnelText

@Suite("Tokenizers of folders") struct FolderTokenizerTests {
  struct Folder: Decodable, CustomTestStringConvertible {
    struct Answer: Decodable {
      let text, decoded: String
      let ids, special, split: [Int32]
    }
    let name: String
    let files: [String: String]
    let texts: [Answer]
    let begin, end: Int32?
    var testDescription: String { name }

    /// Writes the files; calls `body` with the folder.
    func use(more: [String: String] = [:], _ body: (String) throws -> Void) throws {
      let path = NSTemporaryDirectory() + "runnel-folder-" + UUID().uuidString
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: path) }
      var files = files.merging(more) { $1 }
      if files["vocab.json"] != nil {
        let merges = try JSONDecoder().decode([String].self, from: Data(TokenizerFolders.merges.utf8))
        files["merges.txt"] = (["#version: 0.2"] + merges + [""]).joined(separator: "\n")
      }
      for (name, content) in files {
        try content.replacing("VOCABULARY", with: TokenizerFolders.vocabulary)
          .replacing("MERGES", with: TokenizerFolders.merges)
          .write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
      }
      try body(path)
    }
  }

  static let folders: [Folder] = TokenizerFolders.folders.split(separator: "\n").compactMap {
    try? JSONDecoder().decode(Folder.self, from: Data($0.utf8))
  }
  static let read = folders.filter { !$0.texts.isEmpty }
  static let refused = folders.filter { $0.texts.isEmpty }

  @Test("every folder that transformers answered for is in the table") func table() {
    #expect(Self.read.count == 20 && Self.refused.count == 3)
  }

  @Test("ids, templates and special tokens as text are those of transformers' class", arguments: read)
  func golden(folder: Folder) throws {
    try folder.use { path in
      var tokenizer = try Tokenizers.load(path)
      for answer in folder.texts {
        #expect(tokenizer.encode(answer.text) == answer.ids, "\(answer.text.debugDescription)")
        #expect(tokenizer.decode(answer.ids) == Array(answer.decoded.utf8))
        #expect(tokenizer.addingSpecialTokens().encode(answer.text) == answer.special)
      }
      // What a corpus and a run keep of it is enough.
      let file = try #require(tokenizer.file)
      let kept = try Tokenizers.load(file, path: path).addingSpecialTokens()
      for answer in folder.texts where !tokenizer.splitsSpecialTokens {
        #expect(kept.encode(answer.text) == answer.special)
      }
      tokenizer.splitsSpecialTokens = true
      for answer in folder.texts { #expect(tokenizer.encode(answer.text) == answer.split) }
      let marks = try Tokenizers.marks(in: path, of: tokenizer)
      #expect(marks.begin == folder.begin && marks.end == folder.end)
    }
  }

  @Test("a class that reads another kind of tokenizer is refused by its name", arguments: refused)
  func refusals(folder: Folder) throws {
    try folder.use { path in
      let error = #expect(throws: FileError.self) { try Tokenizers.load(path) }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.contains(folder.name) && text.contains("tokenizer_config.json"))
    }
  }

  @Test("a file of the pair is read as its folder is")
  func pair() throws {
    let folder = try #require(Self.read.first { $0.name.hasPrefix("Qwen2:") })
    try folder.use { path in
      for name in ["vocab.json", "merges.txt"] {
        let file = try Tokenizers.load(path + "/" + name).file, folder = try Tokenizers.load(path).file
        #expect(file == folder)
      }
    }
  }

  @Test("a tokenizer.json that agrees with its folder stays byte for byte")
  func agreement() throws {
    let folder = try #require(Self.read.first { $0.name.hasPrefix("GPT-NeoX with") })
    let settings = """
      {"tokenizer_class": "GPTNeoXTokenizer", "add_prefix_space": false, "bos_token": "<|endoftext|>",
      "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "clean_up_tokenization_spaces": true,
      "model_max_length": 1000000000000000019884624838656}
      """
    try folder.use(more: ["tokenizer_config.json": settings]) { path in
      let alone = try Tokenizers.load(path + "/tokenizer.json"), within = try Tokenizers.load(path)
      #expect(alone.file == within.file && within.template.isEmpty)
      #expect(try Tokenizers.marks(in: path, of: within).end == Int32(within.vocabularySize - 1))
    }
  }

  @Test("a SentencePiece model stands in the template that its folder asks for; tokens it lacks are refused")
  func sentencePiece() throws {
    let model = try SentencePieceTests.bytes(SentencePieceGolden.all[1].model)
    let plain = try SentencePieceTests.tokenizer(model)
    let names = try (0..<3).map { try #require(plain.token(of: $0)) }
    let begin = try #require(plain.id(of: "<s>")), end = try #require(plain.id(of: "</s>"))
    func load(_ settings: String) throws -> (any Tokenizer, begin: Int32?, end: Int32?) {
      var found: (any Tokenizer, Int32?, Int32?)?
      try Folder(name: "", files: ["tokenizer_config.json": settings], texts: [], begin: nil, end: nil).use {
        try Data(model).write(to: URL(fileURLWithPath: $0 + "/tokenizer.model"))
        let tokenizer = try Tokenizers.load($0)
        let marks = try Tokenizers.marks(in: $0, of: tokenizer)
        found = (tokenizer, marks.begin, marks.end)
      }
      return try #require(found)
    }
    let decoder = #""added_tokens_decoder":{"0":{"content":"\#(names[0])"},"1":{"content":"\#(names[1])"}}"#
    for (settings, template) in [
      (#"{"tokenizer_class":"LlamaTokenizer",\#(decoder)}"#, TokenTemplate(before: [begin])),
      (#"{"tokenizer_class":"LlamaTokenizer","add_bos_token":false}"#, TokenTemplate()),
      (
        #"{"tokenizer_class":"LlamaTokenizer","add_eos_token":true}"#,
        TokenTemplate(before: [begin], after: [end])
      ),
      ("{}", TokenTemplate(before: [begin])),
    ] {
      let (tokenizer, first, last) = try load(settings)
      #expect(tokenizer.template == template, "\(settings)")
      #expect(
        tokenizer.addingSpecialTokens().encode("a") == template.before + plain.encode("a") + template.after)
      if settings != "{}" { #expect(first == begin && last == end) }
    }
    let error = #expect(throws: FileError.self) {
      _ = try load(#"{"added_tokens_decoder":{"9000":{"content":"<pad>"}}}"#)
    }
    let text = error.map { "\($0)" } ?? ""
    #expect(text.contains("<pad>") && text.contains("corpora keep it alone"))
  }

  @Test("RWKV World's end has the name that the folder gives it")
  func world() throws {
    let vocabulary = (0..<256).map { "\($0 + 1) b'\\x\(hexadecimal(UInt64($0), digits: 2))' 1\n" }.joined()
    let settings = """
      {"tokenizer_class": "RwkvTokenizer", "eos_token": "<|rwkv_tokenizer_end_of_text|>",
      "added_tokens_decoder": {"0": {"content": "<|rwkv_tokenizer_end_of_text|>"}}}
      """
    let files = ["rwkv_vocab_v20230424.txt": vocabulary, "tokenizer_config.json": settings]
    try Folder(name: "", files: files, texts: [], begin: nil, end: nil).use { path in
      let tokenizer = try Tokenizers.load(path)
      #expect(tokenizer.encode("ab") == [98, 99])
      #expect(try Tokenizers.marks(in: path, of: tokenizer).end == 0)
    }
  }

  @Test("RWKV World's texts end with 0 where the folder names no end")
  func silentWorld() throws {
    let vocabulary = (0..<256).map { "\($0 + 1) b'\\x\(hexadecimal(UInt64($0), digits: 2))' 1\n" }.joined()
    let settings = #"{"tokenizer_class": "RwkvTokenizer"}"#
    let files = ["rwkv_vocab_v20230424.txt": vocabulary, "tokenizer_config.json": settings]
    try Folder(name: "", files: files, texts: [], begin: nil, end: nil).use { path in
      let tokenizer = try Tokenizers.load(path)
      #expect(try Tokenizers.marks(in: path, of: tokenizer).end == 0)
    }
  }

  @Test(
    "what cannot be is named with its field",
    arguments: [
      (#"{"tokenizer_class":"GPT2Tokenizer","add_bos_token":3}"#, "add_bos_token"),
      (#"{"tokenizer_class":"CodeGenTokenizer","add_bos_token":true}"#, "add_bos_token"),
      (#"{"tokenizer_class":"GPT2Tokenizer","eos_token":7}"#, "eos_token"),
      (#"{"tokenizer_class":"GPT2Tokenizer","add_bos_token":true,"bos_token":null}"#, "bos_token"),
      (#"{"added_tokens_decoder":{"x":{"content":"a"}}}"#, "added_tokens_decoder.x"),
      (#"{"added_tokens_decoder":{"268":{"content":3}}}"#, "added_tokens_decoder.268.content"),
      // A gap, which the original would close without a word.
      (#"{"added_tokens_decoder":{"300":{"content":"<x>"}}}"#, "added_tokens[0].id"),
      (#"{"tokenizer_class":"#, "tokenizer_config.json"), ("[]", "an object"),
    ])
  func faults(configuration: String, field: String) throws {
    let folder = try #require(Self.read.first { $0.name == "Qwen2 alone" })
    try folder.use(more: ["tokenizer_config.json": configuration]) { path in
      let error = #expect(throws: FileError.self) { try Tokenizers.load(path) }
      #expect("\(error.map { "\($0)" } ?? "")".contains(field))
    }
  }
}
