/// `runnel tokenizer`: training, encoding, decoding, and what is refused.

import Foundation
import Testing

extension ToolTests {
  @Suite struct TokenizerVerb {
    let place: Workplace
    init() throws { place = try Workplace() }

    @Test func `training writes one file, whatever the threads and the kind of input`() throws {
      try place.write(Workplace.story, to: "story.txt")
      let text = String(decoding: Workplace.story, as: UTF8.self)
      let object = try JSONSerialization.data(withJSONObject: ["text": text])
      try place.write(object + [0x0A], to: "story.jsonl")
      let result = try place.run(
        "tokenizer", "train", "a.json", "story.txt", "--vocabulary", "300", "--threads", "1", "--json"
      ).succeeded().json()
      #expect(result["vocabulary"] as? Int == 300 && result["merges"] as? Int == 43)
      #expect(result["bytes"] as? Int == Workplace.story.count && result["documents"] as? Int == 1)
      let rate = try #require(result["bytes_per_token"] as? Double)
      #expect(rate > 2)
      let line = try place.run(
        "tokenizer", "train", "b.json", "story.jsonl", "--vocabulary", "300", "--threads", "2"
      ).succeeded().text
      #expect(line.contains("300 tokens, 43 merges") && line.contains("bytes per token"))
      try place.run("tokenizer", "train", "c.json", "-", "--vocabulary", "300", input: Workplace.story)
        .succeeded()
      #expect(try place.bytes(of: "a.json") == place.bytes(of: "b.json"))
      #expect(try place.bytes(of: "a.json") == place.bytes(of: "c.json"))
      let json = try JSONSerialization.jsonObject(with: Data(place.bytes(of: "a.json")))
      let model = try #require((json as? [String: Any])?["model"] as? [String: Any])
      #expect((model["vocab"] as? [String: Int])?.count == 300)
      #expect((model["vocab"] as? [String: Int])?["<|endoftext|>"] == 0)
      #expect((model["merges"] as? [[String]])?.count == 43)
    }

    @Test func `a text with too little to learn says so`() throws {
      let run = try place.run(
        "tokenizer", "train", "t.json", "-", "--special", "<s>", "--special", "</s>", "--min-frequency", "3",
        input: Array("ab ab ab".utf8)
      ).succeeded()
      #expect(run.errors.contains("no other pair occurs 3 times or more: 259 tokens instead of 8,192"))
    }

    @Test func `what cannot be trained is refused`() throws {
      try place.write(Workplace.story, to: "story.txt")
      func train(_ arguments: String...) throws -> Outcome {
        try place.run(["tokenizer", "train"] + arguments)
      }
      try train("t.json", "-").failed(1, "no text", "t.json")
      try train("t.json", "missing.txt").failed(1, "missing.txt", "No such file")
      try train("t.json", "story.pdf").failed(1, "story.pdf")
      try train("nowhere/t.json", "story.txt", "--threads", "1").failed(1, "nowhere/t.json", logs: true)
      try train("t.json").failed(64, "input")
      try train("t.json", "story.txt", "--vocabulary", "256").failed(64, "257")
      try train("t.json", "story.txt", "--special", "").failed(64, "--special is empty")
      try train("t.json", "story.txt", "--min-frequency", "0").failed(64, "--min-frequency is 0")
      try train("t.json", "story.txt", "--max-token-length", "1").failed(64, "--max-token-length is 1")
      #expect(!place.exists("t.json"))
    }

    @Test func `bytes are encoded and decoded in every form`() throws {
      func encode(_ input: String, _ options: String...) throws -> String {
        try place.run(["tokenizer", "encode", "bytes"] + options, input: Array(input.utf8)).succeeded().text
      }
      #expect(try encode("hé\n") == "104 195 169 10\n")
      #expect(try encode("") == "\n")
      #expect(try encode("a\n\nbc", "--lines") == "97\n\n98 99\n")
      #expect(
        try encode("a", "--json", "--pieces") == #"{"bytes":1,"ids":[97],"pieces":["<0x61>"],"tokens":1}"#
          + "\n")
      #expect(try encode("a\n", "--pieces") == "97\t<0x61>\n10\t<0x0A>\n\n")
      let lines = #"""
        {"text": "a\u00e9", "more": [1]}

        {"bytes": "00fF"}
        """#
      #expect(
        try encode(lines, "--jsonl") == #"""
          {"bytes":3,"ids":[97,195,169],"tokens":3}
          {"bytes":2,"ids":[0,255],"tokens":2}

          """#)
      func decode(_ input: String, _ options: String...) throws -> [UInt8] {
        try place.run(["tokenizer", "decode", "bytes"] + options, input: Array(input.utf8)).succeeded().output
      }
      #expect(try decode("104 195\n169,[10]") == Array("hé\n".utf8))
      #expect(try decode("97\n\n98 195\n", "--lines") == Array("a\n\nb".utf8) + [0xC3, 0x0A])
      #expect(try decode("") == [])
    }

    @Test func `encoding and decoding a pipe give the text back`() throws {
      try place.write(Workplace.story, to: "story.txt")
      let run = try place.shell("runnel tokenizer encode bytes < story.txt | runnel tokenizer decode bytes")
      #expect(try run.succeeded().output == Workplace.story)
      let closed = try place.shell("yes | runnel tokenizer encode bytes 2>errors | head -c 10 && cat errors")
      #expect(try closed.succeeded().text == "121 10 121")
    }

    @Test func `bad ids, lines and tokenizers are named`() throws {
      func run(_ input: String, _ arguments: String...) throws -> Outcome {
        try place.run(["tokenizer"] + arguments, input: Array(input.utf8))
      }
      try run("256 1", "decode", "bytes").failed(1, "256 is outside the vocabulary of 256")
      // As it was written, for as many digits as anybody writes.
      try run("5000000000", "decode", "bytes").failed(1, "5000000000 is outside the vocabulary")
      try run("99999999999999999999999", "decode", "bytes").failed(1, "outside the vocabulary")
      try run("1 -2", "decode", "bytes").failed(1, "after 1 id:", "'-'")
      try run("{}", "encode", "bytes", "--jsonl").failed(1, "stdin: line 1", "found none")
      try run("\n{\"text\": 3}", "encode", "bytes", "--jsonl").failed(1, "stdin: line 2", "a string")
      try run(#"{"bytes": "0g"}"#, "encode", "bytes", "--jsonl").failed(1, "hexadecimal")
      try run("", "encode", "bytes", "--jsonl", "--lines").failed(64, "--lines and --jsonl")
      for verb in ["encode", "decode", "info"] {
        try run("", verb, "missing.json").failed(1, "missing.json")
        try run("", verb).failed(64, "tokenizer")
      }
    }

    @Test func `info measures`() throws {
      let run = try place.run("tokenizer", "info", "bytes", "--measure", "--json", input: Array("abc".utf8))
      let info = try run.succeeded().json()
      #expect(info["kind"] as? String == "bytes" && info["vocabulary"] as? Int == 256)
      #expect(info["bytes"] as? Int == 3 && info["bytes_per_token"] as? Double == 1)
      #expect(try place.run("tokenizer", "info", "bytes").succeeded().text.contains("vocabulary  256"))
    }
  }
}
