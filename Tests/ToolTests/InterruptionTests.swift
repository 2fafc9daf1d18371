/// Whatever ends a run, it goes on bit for bit; so does a stream.

import Foundation
import Testing

extension ToolTests {
  @Suite struct Interruption {
    let place: Workplace
    init() throws { place = try Workplace() }

    /// A run long enough to be struck in its middle.
    private func training(_ corpus: String, out: String, mixer: String) -> [String] {
      Workplace.training(mixer, corpus: corpus, out: out, steps: 300)
    }

    @Test(arguments: ["mamba", "retnet"])
    func `SIGINT saves, leaves with 0, and the resumed run is the uninterrupted one`(mixer: String) throws {
      let corpus = try place.makeCorpus()
      try place.run(training(corpus, out: "whole", mixer: mixer)).succeeded()
      var outcome: Outcome?
      // On a busy machine a run may end before the signal comes; then it is begun again.
      for attempt in 0..<5 where outcome == nil {
        try? FileManager.default.removeItem(atPath: place("parts"))
        let running = try place.start(training(corpus, out: "parts", mixer: mixer))
        try running.wait(until: { !place.metrics("parts").isEmpty })
        running.send(SIGINT)
        let ended = try running.wait().succeeded()
        if ended.text.contains("stopped at step") || attempt == 4 { outcome = ended }
      }
      #expect(try #require(outcome).text.contains("stopped at step"))
      let stopped = try place.run("info", "parts", "--json").succeeded().json()
      let steps = try #require((stopped["run"] as? [String: Any])?["steps"] as? Int)
      #expect((10..<300).contains(steps))
      try place.run("generate", "parts", "--prompt", "The", "--max-tokens", "3").succeeded()

      try place.run("train", "--corpus", corpus, "--out", "parts", "--resume", "--threads", "1").succeeded()
      let equal = try place.bytes(of: "parts/model.safetensors") == place.bytes(of: "whole/model.safetensors")
      #expect(equal, "resumed at step \(steps)")
      let lines = place.metrics("parts").compactMap { $0["loss"] as? Double }
      #expect(lines == place.metrics("whole").compactMap { $0["loss"] as? Double })
    }

    @Test func `SIGTERM is answered like SIGINT`() throws {
      let corpus = try place.makeCorpus()
      let long = Workplace.training("lru", corpus: corpus, out: "run", steps: 1_000_000)
      let running = try place.start(long)
      try running.wait(until: { !place.metrics("run").isEmpty })
      running.send(SIGTERM)
      #expect(try running.wait().succeeded().text.contains("stopped at step"))
      try place.run("score", "run", input: Workplace.story).succeeded()
    }

    @Test func `a kill at any moment leaves a checkpoint that loads and goes on`() throws {
      let corpus = try place.makeCorpus()
      let start = Workplace.training("mamba", corpus: corpus, out: "run", steps: 1_000_000)
      let resume = ["train", "--corpus", corpus, "--out", "run", "--resume", "--threads", "1"]
      var last = 0
      for round in 0..<5 {
        let running = try place.start(round == 0 ? start + ["--checkpoint-every", "1"] : resume)
        try running.wait(until: { (place.steps(of: "run") ?? 0) > last + round })
        // Anywhere in the writing of the files.
        usleep(UInt32(round) * 700)
        running.send(SIGKILL)
        let outcome = try running.wait()
        #expect(outcome.isSignalled && outcome.code == SIGKILL, "\(outcome.errors)")
        let info = try place.run("info", "run", "--json").succeeded().json()
        let steps = try #require((info["run"] as? [String: Any])?["steps"] as? Int)
        #expect(steps > last)
        last = steps
        try place.run("score", "run", input: Workplace.story).succeeded()
      }
      let ended = try place.run(resume + ["--steps", "\(last + 3)", "--json"]).succeeded().json()
      #expect(ended["steps"] as? Int == last + 3)
    }

    @Test func `a kill within the first save leaves a run, or a place for one`() throws {
      let corpus = try place.makeCorpus()
      for round in 0..<8 {
        let out = "run\(round)",
          start = Workplace.training("mamba", corpus: corpus, out: out, steps: 1_000_000)
        let running = try place.start(start + ["--checkpoint-every", "1"])
        // The first of the four files, or the fourth but one, and what comes within a moment of it.
        let file = round % 2 == 0 ? "/optimizer.safetensors" : "/config.json"
        try running.wait(until: { place.exists(out + file) })
        usleep(UInt32(round / 2) * 300)
        running.send(SIGKILL)
        _ = try running.wait()
        try place.run(start).failed(1, "already holds a run", "--resume")
        let resumed = try place.run("train", "--resume", "--out", out, "--steps", "9", "--threads", "1")
          .succeeded()
        #expect(resumed.text.contains("saved in"))
        try place.run("score", out, input: Workplace.story).succeeded()
      }
    }

    @Test func `a finished run ends at once when resumed, and goes on with a longer budget`() throws {
      let corpus = try place.makeCorpus()
      try place.makeModel("retnet", "run", steps: 20)
      let before = try place.bytes(of: "run/model.safetensors")
      let resume = ["train", "--corpus", corpus, "--out", "run", "--resume", "--threads", "1"]
      try place.run(resume).succeeded()
      #expect(try place.bytes(of: "run/model.safetensors") == before)
      let longer = try place.run(resume + ["--steps", "25", "--json"]).succeeded().json()
      #expect(longer["steps"] as? Int == 25)
      #expect(try place.bytes(of: "run/model.safetensors") != before)
    }

    @Test(arguments: ["mamba", "linear-attention"])
    func `a saved stream goes on as if it had not stopped`(mixer: String) throws {
      // Hardly trained, it tells bytes of all kinds, so that characters are cut.
      let model = try place.makeModel(mixer, steps: 2)
      let prompt = Array("The red fox".utf8)
      for seed in 1...3 {
        let sampled = ["generate", model, "--temperature", "1.1", "--repetition-penalty", "1.3"]
        let straight = try place.run(
          sampled + ["--max-tokens", "40", "--seed", "\(seed)"], input: prompt
        ).succeeded().output
        for cut in [1, 20, 39] {
          let first = try place.run(
            sampled + ["--max-tokens", "\(cut)", "--seed", "\(seed)", "--save-state", "s"], input: prompt
          ).succeeded().output
          // The sampler's settings are part of the stream.
          let second = try place.run(
            "generate", model, "--max-tokens", "\(40 - cut)", "--load-state", "s"
          ).succeeded().output
          #expect(first + second == straight, "cut at \(cut), seed \(seed)")
        }
      }
    }

    @Test func `a stop string that is cut by a save is still found`() throws {
      let model = try place.makeModel("retnet", steps: 100)
      let words = ["generate", model, "--temperature", "0", "--repetition-penalty", "1.2", "--max-tokens"]
      let text = try place.run(words + ["60", "--prompt", "The old"]).succeeded().output
      // A piece that stands nowhere before.
      let piece = try #require(
        (8..<50).lazy.map { $0..<$0 + 4 }.first { range in
          text[range].allSatisfy { (32..<127).contains($0) && $0 != 45 }
            && !(0..<range.lowerBound).contains { Array(text[$0..<$0 + 4]) == Array(text[range]) }
        })
      let stop = ["--stop", String(decoding: text[piece], as: UTF8.self)]
      let straight = try place.run(words + ["60", "--prompt", "The old"] + stop).succeeded().output
      #expect(straight == Array(text[..<piece.lowerBound]))
      let cut = piece.lowerBound + 2
      let first = try place.run(
        words + ["\(cut)", "--prompt", "The old", "--save-state", "s"] + stop
      ).succeeded().output
      let second = try place.run(words + ["60", "--load-state", "s"] + stop).succeeded().output
      #expect(first + second == straight, "\(stop) \(String(decoding: first + second, as: UTF8.self))")
      let unstopped = try place.run(words + ["\(60 - cut)", "--load-state", "s"]).succeeded().output
      #expect(first + unstopped == text, "bytes held back for a stop string are lost")
    }
  }
}

extension Workplace {
  /// The steps that `run.json` tells.
  func steps(of run: String) -> Int? {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: self(run + "/run.json"))) else { return nil }
    return ((try? JSONSerialization.jsonObject(with: data)) as? [String: Any])?["steps"] as? Int
  }
}
