/// Corpora from the command line: read in every form, exchanged with other trainers, checked and repaired.

import Foundation
import Testing

extension ToolTests {
  @Suite("Corpora read by command") struct CorpusReadingTests {
    private let place: Workplace
    init() throws { place = try Workplace() }

    private func cat(_ options: String...) throws -> String {
      try place.run(["corpus", "cat"] + options).succeeded().text
    }

    @Test func `building and printing lines of JSON are inverse, for bytes and for a trained vocabulary`()
      throws
    {
      let texts = ["", "Hé\n", "", "", "two \"words\"", "The red fox ran 🦊 past", ""]
      let lines = texts.map { text in
        String(decoding: (try? JSONEncoder().encode(["text": text])) ?? Data(), as: UTF8.self) + "\n"
      }
      try place.write(lines.joined().utf8, to: "in.jsonl")
      try place.write(Workplace.story, to: "story.txt")
      try place.run("tokenizer", "train", "t.json", "story.txt", "--vocabulary", "300").succeeded()
      for options in [[], ["--tokenizer", "t.json"]] {
        try place.run(["corpus", "build", "c", "in.jsonl", "--validation", "0"] + options).succeeded()
        #expect(try cat("c", "--jsonl") == lines.joined())
        #expect(try cat("c") == texts.joined())
        for i in texts.indices {
          #expect(try cat("c", "--jsonl", "--document", "\(i)") == lines[i])
          #expect(try cat("c", "--document", "\(i)") == texts[i])
          for j in i..<texts.count {
            #expect(try cat("c", "--jsonl", "--documents", "\(i):\(j)") == lines[i..<j].joined())
          }
        }
      }
      let info = try place.run("corpus", "info", "c", "--json").succeeded().json()
      #expect(info["keeps_tokenizer"] as? Bool == true)
      #expect(try place.run("corpus", "info", "c").succeeded().text.contains("kept in the corpus"))
    }

    @Test func `what a corpus says of its sources is one line each, without a terminal's commands`() throws {
      let name = "a\n\u{1B}[2Jb\u{202E}.txt"
      try place.write("text".utf8, to: name)
      try place.run("corpus", "build", "c", name).succeeded()
      let text = try place.run("corpus", "info", "c").succeeded().text
      #expect(text.contains(#"a\u{a}\u{1b}[2Jb\u{202e}.txt, 4 bytes"#), "\(text)")
      let sources = try place.run("corpus", "info", "c", "--json").succeeded().text
      #expect(sources.contains(#"a\n\u001B[2Jb"#) || sources.contains(#"a\n\u001b[2Jb"#), "\(sources)")
    }

    @Test func `ids, ranges within a character and splits are printed as they are`() throws {
      try place.run("corpus", "build", "c", "-", "--validation", "0.5", input: Array("aé\nb".utf8))
        .succeeded()
      #expect(try cat("c", "--ids") == "97 195 169 10 98\n")
      let half = try place.run("corpus", "cat", "c", "--tokens", "0:2").succeeded().output
      #expect(half == [97, 0xC3])
      let train = try place.run("corpus", "cat", "c", "--split", "train").succeeded().output
      let rest = try place.run("corpus", "cat", "c", "--split", "validation").succeeded().output
      #expect(train + rest == Array("aé\nb".utf8) && !rest.isEmpty)
      try place.run("corpus", "cat", "c", "--tokens", "3:9").failed(1, "c: ", "0..<5")
      try place.run("corpus", "cat", "c", "--document", "1").failed(1, "c: ", "document 1")
      try place.run("corpus", "cat", "c", "--ids", "--jsonl").failed(64, "--ids")
    }

    @Test(arguments: ["nanogpt", "llmc", "megatron"])
    func `importing what was exported gives the corpus back`(format: String) throws {
      try place.run("corpus", "build", "c", "-", "--documents", "line", input: Workplace.story).succeeded()
      try place.run("corpus", "export", "c", "x.bin", "--format", format).succeeded()
      try place.run("corpus", "import", "d", "x.bin", "--tokenizer", "bytes", "--format", format).succeeded()
      #expect(try cat("d") == cat("c"))
      if format == "megatron" { #expect(try cat("d", "--document", "3") == cat("c", "--document", "3")) }
      try place.write([1, 2, 3], to: "bad.bin")
      try place.run("corpus", "import", "e", "bad.bin", "--vocabulary", "9", "--format", format).failed(
        1, "bad.")
      try place.run("corpus", "import", "e", "x.bin").failed(64, "--tokenizer")
      try place.run("corpus", "export", "c", "y.bin", "--document-end", "256").failed(1, "256")
      #expect(!place.exists("e") && !place.exists("y.bin"))
    }

    @Test func `documents that a format has no place for are told, and get no second end`() throws {
      try place.write(Workplace.story, to: "story.txt")
      try place.run("corpus", "build", "c", "story.txt", "--documents", "line").succeeded()
      try place.run(
        "corpus", "build", "ended", "story.txt", "--documents", "line", "--append-token", "<0x00>"
      )
      .succeeded()
      for (corpus, options, isTold) in [
        ("c", ["--format", "nanogpt"], true), ("c", ["--format", "llmc"], true),
        ("c", ["--format", "megatron"], false), ("c", ["--document-end", "0"], false), ("ended", [], false),
      ] {
        let outcome = try place.run(["corpus", "export", corpus, "x.bin", "--force"] + options).succeeded()
        #expect(outcome.errors.contains("--document-end") == isTold, "\(options): \(outcome.errors)")
      }
      try place.run("corpus", "export", "ended", "y.bin", "--document-end", "0").failed(1, "ended", "already")
      #expect(!place.exists("y.bin"))
    }

    @Test func `a damaged corpus is verified, read around and repaired`() throws {
      try place.run(
        "corpus", "build", "c", "-", "--documents", "line", "--frame-size", "4096", input: Workplace.story
      ).succeeded()
      #expect(try place.run("corpus", "verify", "c").succeeded().text.contains("sound"))
      var bytes = try place.bytes(of: "c")
      bytes[200] ^= 0x20
      try place.write(bytes, to: "damaged")
      let read = try place.run("corpus", "cat", "damaged", "--salvage")
      #expect(read.code == 1 && read.errors.contains("frame 1") && !read.output.isEmpty)
      let repair = try place.run("corpus", "repair", "damaged", "whole", "--json").succeeded()
      #expect(try repair.json()["frames_lost"] as? Int == 1 && repair.errors.contains("frame 1"))
      try place.run("corpus", "verify", "whole").succeeded()
      #expect(try cat("whole") == read.text)
      try place.run("corpus", "repair", "c", "same").succeeded()
      #expect(try place.bytes(of: "same") == place.bytes(of: "c"))
      try place.run("corpus", "repair", "missing", "x").failed(1, "missing")
    }

    @Test func `the benchmark reports its figures`() throws {
      let bench = try place.run("bench", "corpus", place.makeCorpus(), "--seconds", "0.2", "--json")
        .succeeded()
        .json()
      for key in [
        "tokens", "frames", "bytes_per_second", "decompression_bytes_per_second", "share_of_peak",
        "seconds_per_access", "frames_per_access", "verify_bytes_per_second", "peak_rss_bytes",
      ] { #expect(bench[key] is NSNumber, "\(key)") }
    }
  }
}
