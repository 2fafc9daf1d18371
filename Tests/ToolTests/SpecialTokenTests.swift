/// Special tokens around texts and in them, and tokenizers that must be those of the corpus.

import Foundation
import Testing

extension ToolTests {
  @Suite("Special tokens") struct SpecialTokens {
    let place: Workplace
    init() throws { place = try Workplace() }

    /// A folder with a tokenizer whose class puts every text between two tokens: ids 0 and 1.
    private func makeFolder() throws {
      try place.write(Workplace.story, to: "story.txt")
      try place.run(
        "tokenizer", "train", "mine.json", "story.txt", "--vocabulary", "300", "--special", "<s>",
        "--special",
        "</s>"
      ).succeeded()
      try FileManager.default.createDirectory(atPath: place("mine"), withIntermediateDirectories: true)
      try place.copy("mine.json", to: "mine/tokenizer.json")
      let settings = """
        {"tokenizer_class": "GPTNeoXTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<s>",
        "add_bos_token": true, "add_eos_token": true}
        """
      try place.write(settings.utf8, to: "mine/tokenizer_config.json")
    }

    private func ids(_ text: String, _ options: String..., by tokenizer: String = "mine") throws -> [Int] {
      let run = try place.run(["tokenizer", "encode", tokenizer] + options, input: Array(text.utf8))
      return try run.succeeded().text.split(whereSeparator: \.isWhitespace).map { try #require(Int($0)) }
    }

    @Test("a text is encoded with them, without them, or with them as text") func encode() throws {
      try makeFolder()
      let plain = try ids("fox<s>"), split = try ids("fox<s>", "--split-special-tokens")
      #expect(plain.last == 0 && !split.contains(0) && split.count > plain.count)
      #expect(try ids("fox<s>", "--add-special-tokens") == [0] + plain + [1])
      #expect(try ids("fox<s>", "--add-special-tokens", "--split-special-tokens") == [0] + split + [1])
      #expect(try ids("", "--add-special-tokens") == [0, 1])
      let lines = try ids("a\nb\n", "--lines", "--add-special-tokens")
      #expect(lines.first == 0 && lines.last == 1 && lines.count == 6)
      // The file alone has no template, and says so.
      let note = try place.run(
        "tokenizer", "encode", "mine.json", "--add-special-tokens", input: Array("fox".utf8))
      #expect(try note.succeeded().errors.contains("names no tokens"))
    }

    @Test("a corpus is built and goes on with them", arguments: [[], ["--split-special-tokens"]])
    func corpus(options: [String]) throws {
      try makeFolder()
      try place.write("fox <s> ran\n".utf8, to: "a.txt")
      try place.write("said </s> hello\n".utf8, to: "b.txt")
      let build = ["corpus", "build", "c.tokens.zst", "a.txt", "--tokenizer", "mine", "--validation", "0"]
      try place.run(build + ["--add-special-tokens"] + options).succeeded()
      try place.run("corpus", "append", "c.tokens.zst", "b.txt").succeeded()
      let cat = try place.run("corpus", "cat", "c.tokens.zst", "--ids").succeeded().text
      let stored = cat.split(separator: "\n").map { $0.split(separator: " ").compactMap { Int($0) } }
      let texts = ["fox <s> ran\n", "said </s> hello\n"].map { Array($0.utf8) }
      let encode = ["tokenizer", "encode", "mine", "--add-special-tokens"] + options
      let expected = try texts.map { text in
        try place.run(encode, input: text).succeeded().text.split(whereSeparator: \.isWhitespace)
          .compactMap { Int($0) }
      }
      #expect(stored == expected)
      #expect(stored[0].filter { $0 == 0 }.count == (options.isEmpty ? 2 : 1))
      let info = try place.run("corpus", "info", "c.tokens.zst").succeeded().text
      #expect(info.contains("0, 1 around each document"))
      // Without them nothing is recorded.
      try place.run(Array(build.prefix(2)) + ["d.tokens.zst"] + build.dropFirst(3)).succeeded()
      #expect(!(try place.run("corpus", "info", "d.tokens.zst").succeeded().text.contains("special tokens")))
    }

    @Test("prompts and texts that are scored take them, and only a whole text its end") func models() throws {
      try makeFolder()
      try place.run(
        "corpus", "build", "story.tokens.zst", "story.txt", "--tokenizer", "mine", "--add-special-tokens",
        "--documents", "line"
      ).succeeded()
      let model = try place.makeModel("mamba", steps: 80)
      func score(_ options: String...) throws -> Int {
        let run = try place.run(["score", model, "--json"] + options, input: Array("The red fox<s>".utf8))
        return try #require(run.succeeded().json()["tokens"] as? Int)
      }
      let plain = try score()
      // The first of the text is predicted from the beginning, and the end from the text.
      #expect(try score("--add-special-tokens") == plain + 2)
      #expect(try score("--split-special-tokens") > plain)
      // The beginning alone is what an empty prompt is, with or without the template.
      func generate(_ options: String...) throws -> String {
        try place.run(
          ["generate", model, "--temperature", "0", "--max-tokens", "30", "--json"] + options
        ).succeeded().text
      }
      let begun = try generate("--add-special-tokens")
      #expect(try generate() == begun)
      #expect(try generate("--prompt", "<s>") == begun)
      #expect(begun.contains(#""ended_by":"end_token""#) && !begun.contains("</s>"))
      #expect(try generate("--prompt", "The", "--add-special-tokens") == generate("--prompt", "<s>The"))
      #expect(try generate("--prompt", "<s>The", "--split-special-tokens") != generate("--prompt", "<s>The"))
    }

    @Test("a corpus of another tokenizer is neither scored nor trained on, whatever its size") func compare()
      throws
    {
      try makeFolder()
      try place.write("Another text, another text: with other words, words, words.\n".utf8, to: "other.txt")
      try place.run(
        "tokenizer", "train", "other.json", "other.txt", "story.txt", "--vocabulary", "300", "--special",
        "<s>",
        "--special", "</s>"
      ).succeeded()
      for name in ["mine", "other"] {
        try place.run(
          "corpus", "build", name + ".tokens.zst", "story.txt", "--tokenizer", name + ".json", "--validation",
          "0.1"
        ).succeeded()
      }
      try place.run("corpus", "build", "bytes.tokens.zst", "story.txt", "--validation", "0.1").succeeded()
      try place.run(Workplace.training("mamba", corpus: "mine.tokens.zst", out: "model", steps: 2))
        .succeeded()
      for corpus in ["other.tokens.zst", "bytes.tokens.zst"] {
        try place.run("score", "model", "--corpus", corpus).failed(1, corpus, "sha256", "model")
        try place.run("train", "--from", "model", "--corpus", corpus, "--out", "new", "--steps", "1")
          .failed(1, corpus, "sha256", "model")
      }
      try place.run("score", "model", "--corpus", "mine.tokens.zst").succeeded()
      try place.run("score", "model", "--corpus", "mine.tokens.zst", "--tokenizer", "other.json")
        .failed(1, "mine.tokens.zst", "other.json")
      try place.run("score", "model", "--corpus", "mine.tokens.zst", "--tokenizer", "bytes")
        .failed(1, "mine.tokens.zst", "bytes")
      // Who names it takes the blame.
      try place.run("score", "model", "--corpus", "other.tokens.zst", "--tokenizer", "other.json").succeeded()
      // A model that reads bytes.
      try place.run(Workplace.training("mamba", corpus: "bytes.tokens.zst", out: "bytes", steps: 2))
        .succeeded()
      try place.run("score", "bytes", "--corpus", "mine.tokens.zst").failed(1, "300", "256")
      try place.run("score", "bytes", "--corpus", "bytes.tokens.zst").succeeded()
    }

    @Test("what a tokenizer's file is stands in it, not in its name") func names() throws {
      try makeFolder()
      try place.copy("mine.json", to: "mine.model")
      let info = try place.run("tokenizer", "info", "mine.model", "--json").succeeded().json()
      #expect(info["kind"] as? String == "BPE")
      let world = (0..<256).map { "\($0 + 1) b'\\x\(String(format: "%02x", $0))' 1\n" }.joined()
      try place.write(world.utf8, to: "world.model")
      let rwkv = try place.run("tokenizer", "info", "world.model", "--json").succeeded().json()
      #expect(rwkv["kind"] as? String == "RWKV World")
    }
  }
}
