/// What comes before the first step and behind the last, and what a budget of minutes counts.

import Foundation
import Testing

extension ToolTests {
  @Suite struct TrainingEnd {
    let place: Workplace
    init() throws { place = try Workplace() }

    /// Half of it is for validation: far more than a short run reads.
    private func makeLongCorpus(copies: Int) throws -> String {
      try place.write([[UInt8]](repeating: Workplace.story, count: copies).joined(), to: "long.txt")
      try place.run("corpus", "build", "long.tokens.zst", "long.txt", "--validation", "0.5").succeeded()
      return "long.tokens.zst"
    }

    @Test func `a short run validates on a sample and says so`() throws {
      let corpus = try makeLongCorpus(copies: 20)
      let run = Workplace.training("mingru", corpus: corpus, out: "run", steps: 3)
      let text = try place.run(run).succeeded().text
      #expect(text.contains("on 16,384 of ") && text.contains("spread evenly"), "\(text)")
      let resumed = ["train", "--out", "run", "--resume", "--steps", "4", "--json"]
      let result = try place.run(resumed).succeeded().json()
      #expect(result["validation_tokens"] as? Int == 16_384)
      let all = try #require(result["validation_split_tokens"] as? Int)
      #expect(all > 200_000)
      let whole = Workplace.training("mingru", corpus: corpus, out: "whole", steps: 3)
      let rest = try place.run(whole + ["--validation-tokens", "0", "--json"]).succeeded().json()
      #expect(rest["validation_tokens"] as? Int == all)
      try place.run(whole + ["--validation-tokens=-1"]).failed(64, "--validation-tokens is -1")
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `a signal ends the last validation, and the run is saved`(signal: Int32) throws {
      let corpus = try makeLongCorpus(copies: 300)
      let run = Workplace.training("mamba", corpus: corpus, out: "run", steps: 3)
      let running = try place.start(run + ["--validation-tokens", "0"])
      let log = place(running.name + ".err")
      try running.wait(until: {
        (try? String(contentsOfFile: log, encoding: .utf8))?.contains("of a validation") == true
      })
      running.send(signal)
      let ended = try running.wait().succeeded()
      #expect(ended.text.contains("a signal ended the validation") && ended.text.contains("saved in run"))
      #expect(!ended.text.contains("validation loss"))
      #expect(place.steps(of: "run") == 3)
      try place.run("score", "run", input: Workplace.story).succeeded()
    }

    @Test func `a stopped process does not spend its minutes`() throws {
      let corpus = try place.makeCorpus()
      var run = Workplace.training("mamba", corpus: corpus, out: "run")
      let budget = try #require(run.firstIndex(of: "--steps"))
      run[budget...budget + 1] = ["--minutes", "0.1"]
      let running = try place.start(run)
      try running.wait(until: { !place.metrics("run").isEmpty })
      running.send(SIGSTOP)
      let atStop = place.metrics("run").count
      // Longer than the budget.
      sleep(7)
      running.send(SIGCONT)
      let summary = try running.wait().succeeded()
      #expect(summary.text.contains("saved in run"))
      let lines = place.metrics("run").filter { $0["loss"] != nil }
      #expect(lines.count > atStop + 2, "it ended at once after \(atStop) lines")
    }

    @Test func `what training takes is told before it, and refused where it cannot fit`() throws {
      let corpus = try place.makeCorpus()
      let run = Workplace.training("mamba", corpus: corpus, out: "run")
      let plan = try place.run(run + ["--dry-run", "--json"]).succeeded().json()
      #expect(!place.exists("run"))
      let told = try #require(plan["training_memory"] as? [String: Int])
      let parts = ["parameter_bytes", "gradient_bytes", "moment_bytes", "activation_bytes"]
      #expect(told["total_bytes"] == parts.reduce(0) { $0 + (told[$1] ?? -1) })
      #expect(told["moment_bytes"] == 2 * 4 * (plan["parameters"] as? Int ?? 0))
      #expect(try place.run(run + ["--dry-run"]).succeeded().text.contains("activations"))
      try place.run(run).succeeded()
      let info = try place.run("info", "run", "--json").succeeded().json()
      #expect(info["training_memory"] as? [String: Int] == told)
      #expect(try place.run("info", "run").succeeded().text.contains("4 lanes of 32: parameters"))
      let wide = try place.run("info", "run", "--batch", "8", "--segment", "64", "--json").succeeded().json()
      let more = try #require(wide["training_memory"] as? [String: Int])
      #expect((more["activation_bytes"] ?? 0) > 3 * (told["activation_bytes"] ?? .max))
      let large = Workplace.training("mamba", corpus: corpus, out: "large")
      try place.run(large + ["--batch", "1000000", "--segment", "100000"]).failed(
        1, "training takes about", "activations", "lower --batch or --segment")
      #expect(!place.exists("large"))
    }

    @Test func `a setting of a mixer is trained, told, kept, and what follows from it with it`() throws {
      let corpus = try place.makeCorpus()
      let run = Workplace.training("gla,mamba", corpus: corpus, out: "run")
      try place.run(run + ["--set", "key_width=3", "--set", "mamba.state_size=5", "--heads", "4"]).succeeded()
      let info = try place.run("info", "run", "--json").succeeded().json()
      let mixers = try #require(info["mixer_settings"] as? [[[String: String]]])
      func value(_ mixer: Int, _ name: String) -> String? {
        mixers[mixer].first { $0["name"] == name }?["value"]
      }
      #expect(value(0, "heads") == "4" && value(0, "key_value_heads") == "4" && value(0, "key_width") == "3")
      #expect(value(1, "state_size") == "5" && value(1, "convolution_width") == "4")
      let text = try place.run("info", "run").succeeded().text
      #expect(text.contains("key_width=3") && text.contains("state_size=5"))
      let resume = ["train", "--resume", "--out", "run", "--dry-run"]
      try place.run(resume + ["--set", "key_width=3", "--heads", "4"]).succeeded()
      try place.run(resume + ["--set", "mamba.state_size=5"]).succeeded()
      try place.run(resume + ["--set", "key_width=4"]).failed(1, "key_width 3", "key_width 4")
    }

    @Test func `a run takes no more memory than was said, its end included`() throws {
      let corpus = try place.makeCorpus()
      let run = [
        "train", "--corpus", corpus, "--mixer", "mamba", "--out", "run", "--steps", "2", "--width", "768",
        "--layers", "4", "--batch", "1", "--segment", "32", "--threads", "1", "--json",
      ]
      let plan = try place.run(run + ["--dry-run"]).succeeded().json()
      let said = try #require((plan["training_memory"] as? [String: Int])?["total_bytes"])
      let taken = try #require(try place.run(run).succeeded().json()["peak_rss_bytes"] as? Int)
      let bare = try #require(
        try place.run(Workplace.training("mamba", corpus: corpus, out: "bare", steps: 1) + ["--json"])
          .succeeded().json()["peak_rss_bytes"] as? Int)
      #expect(said > 200_000_000)
      #expect(Double(taken - bare) < 1.1 * Double(said), "\(taken) for \(said) beside \(bare)")
      // A second life begins with one copy, too.
      let again = try place.run(["train", "--out", "run", "--resume", "--steps", "3", "--json"]).succeeded()
      let resumed = try #require(try again.json()["peak_rss_bytes"] as? Int)
      #expect(Double(resumed - bare) < 1.1 * Double(said), "\(resumed) for \(said) beside \(bare)")
    }
  }
}
