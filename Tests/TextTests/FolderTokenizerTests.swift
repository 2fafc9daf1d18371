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
        #expect(try Tokenizers.load(path + "/" + name).file == Tokenizers.load(path).file)
      }
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
