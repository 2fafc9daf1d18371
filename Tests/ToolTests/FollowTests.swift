/// A log that is watched: every line has its score before the next is written.

import Foundation
import Testing

extension ToolTests {
  @Suite("score --follow") struct Follow {
    let place: Workplace
    init() throws { place = try Workplace() }

    private static let lines = (0..<12).map { "The red fox ran past the \($0 % 2 == 0 ? "mill" : "barn").\n" }

    private static func watch(_ place: Workplace, _ arguments: [String]) throws -> Dialogue {
      try Dialogue(place, ["score"] + arguments + ["--follow", "--threads", "1"])
    }

    private struct Entry: Decodable {
      let text: String
      let tokens: Int
      let nats: Double
      let bits_per_byte: Double
    }

    /// The sum of cross-entropies that a plain score finds.
    private func nats(_ model: String, _ text: String) throws -> Double {
      let score = try place.run("score", model, "--json", input: Array(text.utf8)).succeeded().json()
      return try #require(score["loss"] as? Double) * Double(#require(score["tokens"] as? Int))
    }

    @Test(arguments: ["mix", "step"])
    func `a line has its score before the next is written, and all lines that of the text`(form: String)
      throws
    {
      let model = try place.makeModel("mamba", steps: 60)
      var watch = try Self.watch(place, [model, "--json", "--form", form])
      var sum = 0.0, usual = 0.0
      for (number, line) in Self.lines.enumerated() {
        try watch.write(line)
        let entry = try watch.entry(Entry.self)
        #expect(entry.text == line && entry.tokens == line.utf8.count)
        // Nothing predicts the first byte of a stream.
        let predicted = Double(line.utf8.count - (number == 0 ? 1 : 0))
        #expect(abs(entry.bits_per_byte - entry.nats / log(2) / predicted) < 1e-9)
        (sum, usual) = (sum + entry.nats, entry.bits_per_byte)
      }
      let odd = "%%0x7F kernel: [QX#] @@ zone~~\n"
      // In two parts, and not a word before its end.
      try watch.write(String(odd.prefix(9)))
      try watch.write(String(odd.dropFirst(9)))
      let entry = try watch.entry(Entry.self)
      #expect(entry.text == odd && entry.bits_per_byte > 2 * usual)
      let outcome = try watch.end()
      #expect(outcome.errors.contains("bits per byte"))
      let whole = try nats(model, Self.lines.joined() + odd)
      #expect(abs(sum + entry.nats - whole) < 1e-4 * whole)
    }

    @Test func `a tokenizer keeps nothing of a line back`() throws {
      try place.write(Workplace.story, to: "story.txt")
      try place.run("tokenizer", "train", "mine.json", "story.txt", "--vocabulary", "300").succeeded()
      try place.run("corpus", "build", "story.tokens.zst", "story.txt", "--tokenizer", "mine.json")
        .succeeded()
      let model = try place.makeModel("retnet", steps: 20)
      var watch = try Self.watch(place, [model, "--json"])
      var sum = 0.0
      for line in Self.lines {
        try watch.write(line)
        let entry = try watch.entry(Entry.self)
        #expect(entry.text == line && entry.tokens < line.utf8.count)
        sum += entry.nats
      }
      _ = try watch.end()
      // No token of this text lies across the end of a line.
      let whole = try nats(model, Self.lines.joined())
      #expect(abs(sum - whole) < 1e-4 * whole)
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `a signal ends it well, with what has come of a line`(signal: Int32) throws {
      let model = try place.makeModel("lru", steps: 2)
      var watch = try Self.watch(place, [model, "--save-state", "s"])
      try watch.write("The red fox\nran pa")
      #expect(try watch.line().hasSuffix("\tThe red fox"))
      watch.running.send(signal)
      #expect(try watch.line().hasSuffix("\tran pa"))
      let outcome = try watch.running.wait().succeeded()
      #expect(outcome.errors.contains("17 tokens") && place.exists("s"))
      try place.run("generate", model, "--load-state", "s", "--max-tokens", "3").succeeded()
    }

    @Test func `it leaves quietly when nobody reads`() throws {
      let model = try place.makeModel("lru", steps: 2)
      var watch = try Self.watch(place, [model])
      try watch.write("one\n")
      _ = try watch.line()
      try watch.output.fileHandleForReading.close()
      try watch.write("two\n")
      let outcome = try watch.running.wait().succeeded()
      #expect(outcome.errorLines.count == 1 && outcome.errors.contains("tokens, mix"))
    }

    @Test(arguments: [["--follow"], []])
    func `a saved stream is scored on as if it had not stopped`(follow: [String]) throws {
      let model = try place.makeModel("mamba", steps: 30)
      let parts = [Self.lines[0], Self.lines[1] + Self.lines[2], Self.lines[3]]
      var sum = 0.0
      for (i, part) in parts.enumerated() {
        let load = i > 0 ? ["--load-state", "s"] : []
        let outcome = try place.run(
          ["score", model, "--per", "line", "--json", "--save-state", "s"] + follow + load,
          input: Array(part.utf8)
        ).succeeded()
        for line in outcome.text.split(separator: "\n") where line.contains("\"text\"") {
          sum += try JSONDecoder().decode(Entry.self, from: Data(line.utf8)).nats
        }
      }
      let whole = try nats(model, parts.joined())
      #expect(abs(sum - whole) < 1e-4 * whole)
    }

    @Test func `only what is unusual is printed`() throws {
      let model = try place.makeModel("mamba", steps: 60)
      let odd = "%%0x7F kernel: [QX#] @@ zone~~"
      let text = Self.lines.joined() + odd + "\n" + Self.lines[0]
      for mode in [["--follow"], ["--per", "line"]] {
        let outcome = try place.run(["score", model, "--above", "6"] + mode, input: Array(text.utf8))
          .succeeded()
        let lines = outcome.text.split(separator: "\n").filter { $0.contains("\t") }
        #expect(lines.count == 1 && lines[0].hasSuffix("\t" + odd), "\(outcome.text)")
      }
    }

    @Test func `an empty stream is no failure, and what does not go together is refused`() throws {
      let model = try place.makeModel("lru", steps: 2)
      #expect(try place.run("score", model, "--follow").succeeded().output.isEmpty)
      try place.run("score", model, "--follow", "--corpus", "c").failed(64, "--follow", "--corpus")
      try place.run("score", model, "--follow", "--per", "token").failed(64, "line by line")
      try place.run("score", model, "--above", "3").failed(64, "--above")
      let other = try place.makeModel("lru", "other", steps: 3)
      try place.run("score", model, "--follow", "--save-state", "s", input: Array("a b\n".utf8)).succeeded()
      try place.run("score", other, "--follow", "--load-state", "s").failed(1, "fingerprint")
    }
  }
}
