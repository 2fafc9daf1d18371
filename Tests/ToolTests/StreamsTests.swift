/// A stream that is written to and answers, and streams side by side.

import Foundation
import Testing

extension ToolTests {
  @Suite("generate --follow and --streams") struct Streams {
    let place: Workplace
    init() throws { place = try Workplace() }

    private struct Entry: Decodable, Equatable {
      let stream: Int
      let text: String
      let tokens: Int
      let seed: UInt64?
      let ended_by: String
    }

    private static let lines = [
      "The red fox", "The old fox ran past", "said hello", "The small fox ran", "day",
    ]

    private func entries(_ outcome: Outcome) throws -> [Entry] {
      try outcome.text.split(separator: "\n").map {
        try JSONDecoder().decode(Entry.self, from: Data($0.utf8))
      }
    }

    @Test(arguments: ["mamba", "rwkv7", "retnet", "mamba,attention"])
    func `side by side they say what each says alone, on any number of threads`(mixer: String) throws {
      let model = try place.makeModel(mixer, steps: 30)
      let generate = ["generate", model, "--prompt", "The old fox", "--max-tokens", "40", "--stop", "day"]
      let alone = try (1...5).map { i in
        let run = try place.run(generate + ["--seed", "\(6 + i)", "--json"]).succeeded()
        return try #require(entries(run).first)
      }
      #expect(Set(alone.map(\.text)).count == 5 && alone.allSatisfy { $0.tokens > 0 })
      for threads in ["1", "2"] {
        let many = generate + ["--seed", "7", "--streams", "5", "--threads", threads]
        let together = try entries(place.run(many + ["--json"]).succeeded()).sorted { $0.stream < $1.stream }
        #expect(together.map(\.stream) == [1, 2, 3, 4, 5] && together.map(\.seed) == [7, 8, 9, 10, 11])
        #expect(together.map(\.text) == alone.map(\.text), "\(threads) threads")
        #expect(together.map(\.tokens) == alone.map(\.tokens))
        #expect(together.map(\.ended_by) == alone.map(\.ended_by))
        let text = try place.run(many).succeeded().text
        for entry in together {
          let heading = "== stream \(entry.stream), seed \(entry.seed ?? 0), ended by \(entry.ended_by)\n"
          #expect(text.contains(heading + entry.text + "\n"))
        }
      }
    }

    @Test func `lines are prompts of their own, in their order, however many run at once`() throws {
      let model = try place.makeModel("rwkv7", steps: 60)
      let words = ["generate", model, "--max-tokens", "60", "--temperature", "0.9", "--seed"]
      // The fourth line is empty, and the last has no end.
      let lines = Self.lines[..<3] + [""] + Self.lines[3...] + Self.lines
      let input = Array(lines.joined(separator: "\n").utf8)
      let alone = try lines.enumerated().map { i, line in
        guard !line.isEmpty else {
          return Entry(stream: i + 1, text: "", tokens: 0, seed: UInt64(i + 3), ended_by: "empty_prompt")
        }
        let run = words + ["\(i + 3)", "--prompt", line, "--stop", "\n", "--json"]
        let entry = try #require(entries(place.run(run).succeeded()).first)
        return Entry(
          stream: i + 1, text: entry.text, tokens: entry.tokens, seed: entry.seed, ended_by: entry.ended_by)
      }
      #expect(Set(alone.map(\.ended_by)).count == 3, "some end their line, some do not: \(alone)")
      for (count, threads) in [("1", "1"), ("3", "2"), ("50", "1")] {
        let many = words + ["3", "--follow", "--streams", count, "--threads", threads]
        let together = try entries(place.run(many + ["--json"], input: input).succeeded())
        #expect(together == alone, "\(count) at once")
        let text = try place.run(many, input: input).succeeded().text
        #expect(text == alone.map { $0.text + "\n" }.joined())
      }
    }

    @Test func `a prompt is answered while the writer of the others waits`() throws {
      let model = try place.makeModel("retnet", steps: 30)
      var talk = try Dialogue(
        place, ["generate", model, "--follow", "--streams", "4", "--max-tokens", "5", "--json"])
      for (i, line) in Self.lines.enumerated() {
        try talk.write(line + "\n")
        #expect(try talk.entry(Entry.self).stream == i + 1)
      }
      #expect(try talk.end().errors.isEmpty)
    }

    @Test(arguments: ["mamba", "attention"])
    func `each line is answered before the next is written, and the stream remembers`(mixer: String) throws {
      let model = try place.makeModel(mixer, steps: 60)
      let follow = [
        "generate", model, "--follow", "--temperature", "0.9", "--max-tokens", "30", "--seed", "5",
      ]
      var talk = try Dialogue(place, follow + ["--threads", "2"])
      var answers: [String] = []
      for line in Self.lines {
        try talk.write(line + "\n")
        answers.append(try talk.line())
      }
      #expect(try talk.end().errors.isEmpty)
      // All at once, on another number of threads.
      let input = Array((Self.lines.joined(separator: "\n") + "\n").utf8)
      let whole = try place.run(follow + ["--threads", "1"], input: input).succeeded().text
      #expect(whole == answers.map { $0 + "\n" }.joined())
      // The stream has read what stands on the screen: it is the prompt of what comes next.
      let first = try place.run(
        "generate", model, "--temperature", "0.9", "--max-tokens", "30", "--seed", "5", "--stop", "\n",
        input: Array((Self.lines[0] + "\n").utf8)
      ).succeeded().text
      #expect(first == answers[0])
      var parts: [String] = []
      for (i, line) in Self.lines.enumerated() {
        let again = i == 0 ? ["--seed", "5"] : ["--load-state", "s"]
        parts.append(
          try place.run(
            Array(follow.dropLast(2)) + ["--save-state", "s"] + again, input: Array((line + "\n").utf8)
          ).succeeded().text)
      }
      #expect(parts.joined() == whole)
    }

    @Test func `what the stream has read is the transcript`() throws {
      let model = try place.makeModel("mamba", steps: 30)
      let greedy = ["generate", model, "--temperature", "0", "--max-tokens", "7"]
      let follow = greedy + ["--follow", "--stop", "zzz"]
      let answer = try place.run(follow, input: Array("The red\n".utf8)).succeeded().text
      #expect(answer.utf8.count >= 8)
      // An answer that was cut ends its line; the next one follows from all of it.
      let both = try place.run(follow, input: Array("The red\nThe old\n".utf8)).succeeded().text
      let next = try place.run(greedy, input: Array("The red\n\(answer)The old\n".utf8)).succeeded().text
      #expect(both == answer + next + "\n")
    }

    @Test func `an answer ends at a stop string, or with its tokens`() throws {
      let model = try place.makeModel("mamba", steps: 100)
      let follow = ["generate", model, "--follow", "--json", "--temperature", "0"]
      let input = Array("The red fox ran\n".utf8)
      let line = try entries(place.run(follow + ["--max-tokens", "200"], input: input).succeeded())
      #expect(line.map(\.ended_by) == ["line"] && !line[0].text.contains("\n"))
      #expect(line[0].text.utf8.count + 1 == line[0].tokens)
      let short = try entries(place.run(follow + ["--max-tokens", "4"], input: input).succeeded())
      #expect(short.map(\.ended_by) == ["max_tokens"] && short[0].text == String(line[0].text.prefix(4)))
      let piece = String(line[0].text.dropFirst(5).prefix(3))
      let stopped = try entries(
        place.run(follow + ["--max-tokens", "200", "--stop", piece], input: input).succeeded())
      #expect(stopped.map(\.ended_by) == ["stop"])
      let end = try #require(line[0].text.range(of: piece)?.lowerBound)
      #expect(stopped[0].text == line[0].text[..<end])
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `a signal saves the stream and leaves with 0`(signal: Int32) throws {
      let model = try place.makeModel("retnet", steps: 30)
      let follow = ["generate", model, "--follow", "--max-tokens", "20"]
      let whole = try place.run(follow, input: Array("The red fox\nran past\n".utf8)).succeeded().text
      var talk = try Dialogue(place, follow + ["--save-state", "s"])
      try talk.write("The red fox\nran")
      var text = try talk.line() + "\n"
      talk.running.send(signal)
      #expect(try talk.running.wait().succeeded().errors.isEmpty)
      // The line that the signal cut goes on with the stream.
      text += try place.run(follow + ["--load-state", "s"], input: Array(" past\n".utf8)).succeeded().text
      #expect(text == whole)
    }

    @Test func `a signal prints what the streams have said`() throws {
      let model = try place.makeModel("lru", steps: 10)
      let running = try place.start([
        "generate", model, "--streams", "3", "--max-tokens", "100000000", "--prompt", "The", "--json",
      ])
      usleep(400_000)
      running.send(SIGINT)
      let ended = try entries(running.wait().succeeded())
      #expect(ended.map(\.stream) == [1, 2, 3] && ended.allSatisfy { $0.ended_by == "interrupt" })
      #expect(Set(ended.map(\.tokens)).count == 1)
    }

    @Test func `it leaves quietly when nobody reads`() throws {
      let model = try place.makeModel("lru", steps: 2)
      for streams in [[], ["--streams", "2"]] {
        var talk = try Dialogue(place, ["generate", model, "--follow", "--max-tokens", "3"] + streams)
        try talk.write("one\n")
        _ = try talk.line()
        try talk.output.fileHandleForReading.close()
        try talk.write("two\n")
        #expect(try talk.running.wait().succeeded().errors.isEmpty)
      }
    }

    @Test func `sampling options reach the draws, and stay with a saved stream`() throws {
      let model = try place.makeModel("mamba", steps: 60)
      let words = ["generate", model, "--prompt", "The red", "--max-tokens", "60"]
      let space = UInt8(ascii: " ")
      #expect(try place.run(words).succeeded().output.contains(space))
      let banned = words + ["--logit-bias", "32:-inf", "--logit-bias", "101:0.5"]
      #expect(try !place.run(banned).succeeded().output.contains(space))
      let forced = try place.run(words + ["--logit-bias", "90:1000"]).succeeded().text
      #expect(forced == String(repeating: "Z", count: 60))
      // No byte comes twice within a window of all.
      let fresh = try place.run(words + ["--presence-penalty", "1000", "--repetition-window", "1000"])
      let bytes = try fresh.succeeded().output
      #expect(Set(bytes).count == 60 && Set(bytes).isDisjoint(with: Array("The red".utf8)))
      let often = words + ["--frequency-penalty", "1000", "--repetition-window", "20", "--typical-p", "0.9"]
      let text = try place.run(often).succeeded().output
      #expect((0...40).allSatisfy { Set(text[$0..<$0 + 20]).count == 20 })

      try place.run(
        Array(banned.dropLast(6)) + ["--max-tokens", "5", "--save-state", "s"] + banned.suffix(4)
      )
      .succeeded()
      let on = try place.run("generate", model, "--load-state", "s", "--max-tokens", "60").succeeded()
      #expect(!on.output.contains(space))
    }

    @Test(arguments: [
      (["--streams", "0"], "--streams"), (["--streams", "2", "--save-state", "s"], "--save-state"),
      (["--follow", "--prompt", "a"], "--follow"), (["--typical-p", "0"], "typical-p"),
      (["--frequency-penalty", "inf"], "frequency"), (["--presence-penalty", "nan"], "presence"),
      (["--repetition-window=-1"], "window"), (["--logit-bias", "5"], "--logit-bias"),
      (["--logit-bias", "5:inf"], "token 5"), (["--logit-bias=-5:1"], "token -5"),
    ])
    func `nonsense is a usage error`(options: [String], named: String) throws {
      try place.run(["generate", "model"] + options).failed(64, named)
    }

    @Test func `a bias for a token that is not there is refused`() throws {
      let model = try place.makeModel("lru", steps: 2)
      try place.run("generate", model, "--prompt", "a", "--logit-bias", "256:1").failed(1, "256", "below")
      #expect(try place.run("generate", model, "--follow").succeeded().output.isEmpty)
      #expect(try place.run("generate", model, "--follow", "--streams", "3").succeeded().output.isEmpty)
      try place.run("generate", model, "--streams", "3").failed(1, "empty")
    }
  }
}
