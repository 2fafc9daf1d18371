/// Optimisers, averages and the best model, as `runnel train` has them.

import Foundation
import Testing

extension ToolTests {
  @Suite struct Optimization {
    let place: Workplace
    init() throws { place = try Workplace() }

    @Test(arguments: ["adam", "sgd", "lion", "muon"])
    func `an optimiser moves to the same bits on any number of threads, its average too`(optimizer: String)
      throws
    {
      let corpus = try place.makeCorpus()
      var runs: [[UInt8]] = []
      for threads in ["1", "2", "3"] {
        try place.run(
          "train", "--corpus", corpus, "--mixer", "gla", "--out", "run-" + threads, "--steps", "3", "--width",
          "128",
          "--layers", "2", "--batch", "4", "--segment", "64", "--optimizer", optimizer, "--average",
          "ema:0.9",
          "--accumulate", "2", "--threads", threads
        ).succeeded()
        let checkpoint = try place.bytes(of: "run-\(threads)/optimizer.safetensors")
        // Behind the header, in which the seconds and the threads are.
        let header = checkpoint.prefix(8).reversed().reduce(0) { $0 << 8 + Int($1) }
        runs.append(
          Array(checkpoint.dropFirst(8 + header)) + (try place.bytes(of: "run-\(threads)/model.safetensors")))
      }
      #expect(runs[0] == runs[1] && runs[0] == runs[2])
    }

    @Test func `a run tells its optimiser's share, both validations and the best model, which is a model`()
      throws
    {
      let corpus = try place.makeCorpus()
      let run = Workplace.training("gla", corpus: corpus, out: "run", steps: 20)
      let options = [
        "--optimizer", "muon", "--average", "polyak", "--validate-every", "5", "--keep-best", "--patience",
        "9",
        "--spike-guard", "1.01", "--schedule", "wsd",
      ]
      let plan = try place.run(run + options + ["--dry-run", "--json"]).succeeded().json()
      #expect(plan["optimizer"] as? String == "muon")
      let memory = try #require(plan["training_memory"] as? [String: Int])
      #expect(memory["average_bytes"] == memory["parameter_bytes"])
      #expect((memory["moment_bytes"] ?? 0) < 2 * (memory["parameter_bytes"] ?? 0))
      let result = try place.run(run + options + ["--json"]).succeeded().json()
      let share = try #require(result["optimizer_share"] as? Double)
      #expect(share > 0 && share < 1)
      let losses = try ["validation_loss", "average_validation_loss", "best_validation_loss"].map {
        try #require(result[$0] as? Double)
      }
      #expect(result["serves_average"] as? Bool == (losses[1] < losses[0]))
      #expect(try #require(result["best_step"] as? Int) % 5 == 0)
      #expect(result["out_of_patience"] as? Bool == false)
      #expect((result["skipped_steps"] as? Int ?? 0) > 0 || share > 0)
      try place.run("generate", "run/best", "--prompt", "The", "--max-tokens", "3").succeeded()
      let text = try place.run("train", "--resume", "--out", "run").succeeded().text
      #expect(text.contains("of the averaged weights ") && text.contains("its model is run/best"), "\(text)")
      try place.copy("run/model.safetensors", to: "run/best/model.safetensors")
      let replaced = try place.run("train", "--resume", "--out", "run").succeeded().text
      #expect(
        replaced.contains("its model is run/best") == (result["best_step"] as? Int == 20), "\(replaced)")
      try place.run("train", "--resume", "--out", "run", "--optimizer", "sgd").failed(
        1, "has the optimizer muon", "leave --optimizer out", "--from run")
    }

    @Test func `a run that finds nothing better ends with a line`() throws {
      var run = try Workplace.training("lru", corpus: place.makeCorpus(), out: "run", steps: 50)
      let rate = try #require(run.firstIndex(of: "--learning-rate"))
      run[rate + 1] = "1e-12"
      let text = try place.run(run + ["--validate-every", "2", "--patience", "3"]).succeeded().text
      #expect(
        text.contains("8 steps, ") && text.contains("no better any more") && text.contains("at step 2"),
        "\(text)")
      #expect(place.steps(of: "run") == 8)
      // What it takes to go on is more patience, and no longer budget.
      let resume = ["train", "--resume", "--out", "run", "--threads", "1"]
      let still = try place.run(resume + ["--keep-best"]).succeeded().text
      #expect(still.contains("--patience 4 or more") && !still.contains("longer"), "\(still)")
      #expect(still.contains("its model was not kept"), "\(still)")
      try place.run(resume + ["--no-keep-best", "--patience", "5"]).succeeded()
      #expect(place.steps(of: "run") == 12)
      let ended = try place.run(resume + ["--steps", "12"]).succeeded().text
      #expect(ended.contains("a longer budget and --patience 6 or more"), "\(ended)")
      try place.run(resume + ["--patience", "0", "--steps", "20"]).succeeded()
      #expect(place.steps(of: "run") == 20)
    }

    @Test func `what was asked for is taken off a run that goes on`() throws {
      let run = try Workplace.training("lru", corpus: place.makeCorpus(), out: "run", steps: 10)
      let options = [
        "--rate", "embedding=0.5", "--spike-guard", "4", "--patience", "3", "--validate-every", "5",
      ]
      try place.run(run + options).succeeded()
      let text = try place.run(
        "train", "--resume", "--out", "run", "--rate", "none", "--spike-guard", "0", "--patience", "0"
      ).succeeded().errors
      for words in [
        "rates none, before embedding=0.5", "spike_guard none, before 4", "patience none, before 3",
      ] {
        #expect(text.contains("from step 10 on: " + words), "\(text)")
      }
      let record = String(decoding: try place.bytes(of: "run/run.json"), as: UTF8.self)
      let settings = try #require(record.split(separator: "\"settings\"").last)
      for key in ["rates", "spike_guard", "patience"] { #expect(!settings.contains("\"\(key)\"")) }
    }

    @Test func `a best model that cannot be written is no success`() throws {
      let run = try Workplace.training("lru", corpus: place.makeCorpus(), out: "run", steps: 10)
      try place.run(run).succeeded()
      try place.write([1], to: "run/best")
      let resume = ["train", "--resume", "--out", "run", "--threads", "1", "--steps", "20"]
      try place.run(resume + ["--keep-best", "--validate-every", "5"]).failed(
        1, "the run is saved in run, but the best model, of step 20, could not be written", logs: true)
      #expect(place.steps(of: "run") == 20)
      try place.run("score", "run", input: Workplace.story).succeeded()
    }

    static let refusals: [(code: Int32, options: [String], words: [String])] = [
      (64, ["--optimizer", "adamax"], ["adamax"]), (64, ["--schedule", "steps"], ["steps"]),
      (64, ["--momentum", "1"], ["--momentum is 1.0"]), (64, ["--exponent", "0"], ["--exponent is 0.0"]),
      (64, ["--offset=-1"], ["--offset is -1.0"]), (64, ["--decay", "2"], ["--decay is 2.0"]),
      (64, ["--spike-guard", "1"], ["--spike-guard is 1.0"]),
      (64, ["--accumulate", "0"], ["--accumulate is 0"]),
      (64, ["--accumulate", "1048577"], ["--accumulate is 1048577"]),
      (64, ["--patience=-1"], ["--patience is -1"]),
      (64, ["--average", "ema:1"], ["--average is ema:1.0", "in [0, 1)"]),
      (64, ["--average", "mean"], ["mean"]), (64, ["--rate", "norm=-1"], ["--rate has -1.0 for norm"]),
      (64, ["--rate", "none", "--rate", "norm=2"], ["--rate none", "leave the others out"]),
      (64, ["--rate", "embedding"], ["embedding"]),
      (64, ["--rate", "embedding=x"], ["embedding=x", "a number"]),
      (64, ["--rate", "norm=1", "--rate", "norm=2"], ["two factors"]),
      (1, ["--rate", "nowhere=1"], ["\"nowhere\"", "there are embedding.weight", "layers.*.norm.weight"]),
      (1, ["--momentum", "0.5"], ["sgd or muon"]), (1, ["--nesterov"], ["momentum of sgd"]),
      (1, ["--keep-best"], ["--validate-every"]), (1, ["--patience", "2"], ["--validate-every"]),
    ]

    @Test func `an option that cannot be is answered with one line, and no folder is made`() throws {
      let run = try Workplace.training("lru", corpus: place.makeCorpus(), out: "run")
      for (code, options, words) in Self.refusals {
        let outcome = try place.run(run + options)
        outcome.failed(code)
        for word in words { #expect(outcome.errors.contains(word), "\(options): \(outcome.errors)") }
        #expect(!place.exists("run"), "\(options)")
      }
    }
  }
}
