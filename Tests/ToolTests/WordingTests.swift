/// Sentences that say what is so: counts with their nouns, bounds, and the option that a verb does not have.

import Foundation
import RunnelFiles
import Testing

extension ToolTests {
  @Suite("What the tool says") struct Wording {
    let place: Workplace
    init() throws { place = try Workplace() }

    @Test("a count is spelled with its noun, one by one") func counts() throws {
      for (number, text) in [
        (0, "0 layers"), (1, "1 layer"), (2, "2 layers"), (1000, "1,000 layers"), (-1, "-1 layers"),
        (1_234_567, "1,234,567 layers"),
      ] { #expect(counted(number, "layer") == text) }
      try place.write("a".utf8, to: "a.txt")
      let built = try place.run("corpus", "build", "a.tokens.zst", "a.txt", "--validation", "0").succeeded()
      #expect(built.text.contains("1 token in 1 document,"), "\(built.text)")
      #expect(try place.run("corpus", "info", "a.tokens.zst").succeeded().text.contains("in 1 frame,"))
      _ = try place.makeCorpus()
      let run = try place.run(
        "train", "--corpus", "story.tokens.zst", "--mixer", "lru", "--out", "run", "--steps", "1", "--layers",
        "1",
        "--width", "16", "--batch", "1", "--segment", "16", "--threads", "1"
      ).succeeded()
      #expect(
        run.errors.contains("1 layer of width 16") && run.errors.contains("1 lane of 16"), "\(run.errors)")
      let more = try place.run("train", "--out", "run", "--resume", "--steps", "2").succeeded()
      #expect(more.errors.contains("budget 2 steps, before 1 step\n"), "\(more.errors)")
      #expect(run.errors.contains("1 thread;") && run.text.contains("1 step, 16 tokens"), "\(run.text)")
    }

    @Test(
      "an option that a verb does not have is named, whatever else is missing or was taken for its value",
      arguments: [
        ("bench train --mixer gla --heads 3", "--heads"), ("bench decode --mixer gla --heads=3", "--heads"),
        ("train --foo x", "--foo"), ("corpus build --foo", "--foo"), ("generate --foo", "--foo"),
        ("info model other --foo", "--foo"),
      ])
    func unknown(line: String, option: String) throws {
      try place.run(line.split(separator: " ").map(String.init)).failed(64, option)
    }

    @Test(
      "bounds that are none themselves are said so",
      arguments: [
        "corpus synth stories s --megabytes 0", "bench train --mixer lru --seconds 0",
        "bench product --seconds 0", "convert a b --to recurrent --tolerance 0",
      ])
    func bounds(line: String) throws {
      try place.run(line.split(separator: " ").map(String.init)).failed(64, "must be more than 0 and")
    }

    @Test("stdin is no file of ids, but as /dev/stdin") func ids() throws {
      for options in [["-"], ["ids.bin", "--validation-input", "-"]] {
        try place.run(["corpus", "import", "c", "--vocabulary", "9"] + options).failed(64, "/dev/stdin")
      }
      try place.write([1, 0, 2, 0], to: "ids.bin")
      let outcome = try place.shell("runnel corpus import c.tokens.zst /dev/stdin --vocabulary 9 < ids.bin")
      #expect(try outcome.succeeded().text.contains("2 tokens in 1 document"))
    }
  }
}
