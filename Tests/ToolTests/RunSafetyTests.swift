/// What may happen to a run on a machine that others use: it loses nothing, overwrites nothing, and takes no option in silence.

import Foundation
import RunnelKernels
import Testing

extension ToolTests {
  @Suite struct RunSafety {
    let place: Workplace
    init() throws { place = try Workplace() }

    private func training(_ out: String, steps: Int = 30) throws -> [String] {
      let corpus = place.exists("story.tokens.zst") ? "story.tokens.zst" : try place.makeCorpus()
      return Workplace.training("lru", corpus: corpus, out: out, steps: steps)
    }

    private func record(_ run: String) throws -> [String: Any] {
      let json = try JSONSerialization.jsonObject(with: Data(place.bytes(of: run + "/run.json")))
      return try #require(json as? [String: Any])
    }

    /// Options of a resumed run: the setting that each changes, or nil where it is refused.
    private static let options: [(words: [String], setting: String?)] = [
      (["--minutes", "60"], "budget"), (["--steps", "40"], "budget"), (["--tokens", "9000"], "budget"),
      (["--learning-rate", "0.003"], "learning_rate"), (["--schedule", "constant"], "schedule"),
      (["--schedule", "wsd"], "schedule"), (["--schedule", "robbins-monro"], "schedule"),
      (["--warmup", "0.5"], "warmup"), (["--weight-decay", "0.5"], "weight_decay"),
      (["--clip", "0.5"], "clip"),
      (["--loss", "all"], "targets"), (["--no-carry-state"], "carry_state"),
      (["--validate-every", "15"], "validation_interval"),
      (["--validation-tokens", "100"], "validation_limit"),
      (["--log-every", "1"], "log_interval"), (["--recompute"], "recompute"),
      (["--checkpoint-every", "7"], "checkpoint_interval"),
      (["--checkpoint-minutes", "7"], "checkpoint_minutes"),
      (["--keep-checkpoints", "2"], "kept_checkpoints"),
      (["--rate", "embedding=0.5"], "rates"), (["--decay", "0.5"], "decay_share"),
      (["--offset", "10"], "offset"), (["--exponent", "0.6"], "exponent"),
      (["--spike-guard", "4"], "spike_guard"), (["--accumulate", "2"], "accumulate"),
      (["--keep-best", "--validate-every", "5"], "keep_best"),
      (["--patience", "3", "--validate-every", "5"], "patience"),
      (["--optimizer", "lion"], nil), (["--momentum", "0.5"], nil), (["--nesterov"], nil),
      (["--average", "ema"], nil),
      (["--mixer", "mamba"], nil), (["--size", "1m"], nil), (["--width", "64"], nil),
      (["--layers", "3"], nil),
      (["--heads", "2"], nil), (["--set", "state_size=3"], nil), (["--batch", "2"], nil),
      (["--segment", "16"], nil),
      (["--sample", "segments"], nil),
      (["--no-reset-documents"], nil), (["--seed", "2"], nil), (["--resume-at", "3"], nil),
      (["--from", "run"], nil),
    ]
    /// Options that say where and how, not what.
    private static let others = ["corpus", "out", "resume", "dry-run", "threads", "json", "help", "version"]
    /// Of some machines only.
    private static let precision: [(words: [String], setting: String?)] =
      [(["--precision", "bf16"], "precision")].filter { _ in Gemm.hasBF16 }

    @Test func `every option of train is in the table`() throws {
      let help = try place.run("train", "--help").succeeded().text
      let known =
        Self.options.map { String($0.words[0].trimmingPrefix("--").trimmingPrefix("no-")) } + Self.others + [
          "precision"
        ]
      let all = Set(help.matches(of: /--(?:no-)?([a-z][a-z-]*)/).map { String($0.1) })
        .subtracting(["budget", "no"])
      for option in all { #expect(known.contains(option), "--\(option)") }
    }

    @Test func `a resumed run takes every option, or refuses it in a sentence, and never in silence`() throws
    {
      try place.run(training("run", steps: 20)).succeeded()
      for (words, setting) in Self.options + Self.precision {
        try place.copy("run", to: "again")
        let resume = ["train", "--resume", "--out", "again", "--threads", "1"] + words
        guard let setting else {
          let outcome = try place.run(resume)
          #expect(outcome.code != 0 && !outcome.isSignalled, "\(words)")
          #expect(outcome.errors.contains(words[0].replacing("--no-", with: "--")), "\(outcome.errors)")
          #expect(try place.bytes(of: "again/run.json") == place.bytes(of: "run/run.json"))
          continue
        }
        // A minute's budget is not waited for.
        let running = try place.start(resume)
        if setting == "budget" {
          try running.wait(until: { place.metrics("again").contains { $0["setting"] as? String == "budget" } }
          )
          running.send(SIGINT)
        }
        let outcome = try running.wait().succeeded()
        #expect(outcome.errors.contains("from step 20 on: \(setting) "), "\(outcome.errors)")
        let changes = try #require(record("again")["changes"] as? [[String: Any]])
        let change = try #require(changes.first { $0["setting"] as? String == setting })
        #expect(change["step"] as? Int == 20 && change["to"] as? String != change["from"] as? String)
        let line = place.metrics("again").first { $0["setting"] as? String == setting }
        #expect(
          line?["step"] as? Int == 20 && line?["to"] as? String == change["to"] as? String, "\(setting)")
      }
      // The same words again are no change.
      try place.copy("run", to: "again")
      let same = try place.run(training("again", steps: 20) + ["--resume", "--seed", "1"]).succeeded()
      #expect(
        !same.errors.contains("from step") && place.metrics("again").count == place.metrics("run").count)
    }

    @Test func `a run that overflows is saved, and goes on with a lower learning rate`() throws {
      let hot =
        try training("run", steps: 400) + ["--schedule", "constant", "--warmup", "0", "--clip", "1e30"]
      try place.run(hot.map { $0 == "400" ? "5" : $0 }).succeeded()
      let resume = ["train", "--resume", "--out", "run", "--threads", "1", "--steps"]
      let outcome = try place.run(resume + ["400", "--learning-rate", "1e18"])
      outcome.failed(1, "lower --learning-rate", "run holds the run at step 5", logs: true)
      #expect(outcome.errors.contains("go on from there with --resume"), "\(outcome.errors)")
      // The checkpoint before the trouble is gone on with, and not the numbers that led to it.
      #expect(try record("run")["steps"] as? Int == 5)
      let mended = try place.run(resume + ["25", "--learning-rate", "1e-3"]).succeeded()
      #expect(mended.text.contains("25 steps"))
    }

    @Test func `no run is told to go on from where every learning rate overflows`() throws {
      let hot = try training("run", steps: 400) + ["--schedule", "constant", "--warmup", "0"]
      // The first checkpoint is that of the numbers that overflow.
      try place.run(hot + ["--learning-rate", "1e30"]).failed(1, "the run is saved", "begin anew", logs: true)
      let resume = ["train", "--resume", "--out", "run", "--threads", "1", "--learning-rate", "1e-3"]
      try place.run(resume + ["--steps", "400"]).failed(1, "every learning rate", "begin anew", logs: true)
      #expect(try !place.run(resume).errors.contains("go on from there"))
      // An older one that is kept leads past it.
      try FileManager.default.removeItem(atPath: place("run"))
      try place.run(
        hot.map { $0 == "400" ? "10" : $0 } + ["--checkpoint-every", "5", "--keep-checkpoints", "3"]
      )
      .succeeded()
      let further = ["train", "--resume", "--out", "run", "--threads", "1", "--steps"]
      try place.run(further + ["11", "--learning-rate", "1e30"]).failed(1, logs: true)
      try place.run(further + ["12", "--learning-rate", "1e-3"]).failed(1, "--resume-at 10", logs: true)
      try place.run(further + ["12", "--learning-rate", "1e-3", "--resume-at", "10"]).succeeded()
    }

    @Test func `a run begins in no folder of others`() throws {
      try place.makeModel("lru", "run")
      try place.run("convert", "run", "model", "--to", "recurrent", "--dtype", "int8").succeeded()
      let before = try place.bytes(of: "model/model.safetensors")
      try place.run(training("model")).failed(1, "\"config.json\" in it", "choose another --out")
      try place.run(["train", "--corpus", "story.tokens.zst", "--from", "run", "--out", "model"]).failed(
        1, "--out")
      #expect(try place.bytes(of: "model/model.safetensors") == before)
      try place.run(training(".")).failed(1, "choose another --out")
      try FileManager.default.createDirectory(atPath: place("empty"), withIntermediateDirectories: false)
      try place.run(training("empty")).succeeded()
    }

    @Test func `two trainers do not share a folder`() throws {
      let first = try place.start(training("run", steps: 1_000_000) + ["--checkpoint-every", "5"])
      try first.wait(until: { (place.steps(of: "run") ?? 0) > 0 })
      try place.run("train", "--resume", "--out", "run").failed(1, "run: ", "the only one who trains into it")
      try place.run("score", "run", input: Workplace.story).succeeded()
      first.send(SIGINT)
      try first.wait().succeeded()
      let steps = place.metrics("run").compactMap { $0["step"] as? Int }
      #expect(steps == (1...steps.count).map { 10 * $0 })
      // Neither while the other has no checkpoint yet.
      let second = try place.start(training("new", steps: 1_000_000))
      try second.wait(until: { place.exists("new/metrics.jsonl") })
      try place.run(training("new")).failed(1, "new: ", "the only one who trains into it")
      second.send(SIGKILL)
      _ = try second.wait()
      // And afterwards it is free: no checkpoint was there to be lost.
      try place.run(training("new")).succeeded()
    }

    @Test func `a terminal that closes ends a run with a checkpoint, unless nohup keeps it`() throws {
      let corpus = try place.makeCorpus()
      let endless = Workplace.training("lru", corpus: corpus, out: "run", steps: 1_000_000)
      let running = try place.start(endless)
      try running.wait(until: { !place.metrics("run").isEmpty })
      running.send(SIGHUP)
      running.send(SIGHUP)
      #expect(try running.wait().succeeded().text.contains("stopped at step"))
      try place.run("train", "--resume", "--out", "run", "--steps", "5").succeeded()
      // As nohup does it.
      let words = Workplace.training("lru", corpus: corpus, out: "kept", steps: 1_000_000).joined(
        separator: " ")
      let deaf = try place.start(["-c", "trap '' HUP; exec runnel \(words)"], shell: true)
      try deaf.wait(until: { !place.metrics("kept").isEmpty })
      let before = place.metrics("kept").count
      deaf.send(SIGHUP)
      try deaf.wait(until: { place.metrics("kept").count > before + 5 })
      deaf.send(SIGTERM)
      #expect(try deaf.wait().succeeded().text.contains("stopped at step"))
    }

    @Test(arguments: ["2>&1 | head -n 1", "2>&1 | true", "2>/dev/full", "2>&-"])
    func `a log that nobody can read ends no run`(log: String) throws {
      _ = try place.shell("runnel \(training("run", steps: 60).joined(separator: " ")) \(log)")
      #expect(place.steps(of: "run") == 60)
      try place.run("score", "run", input: Workplace.story).succeeded()
    }

    @Test func `a limit on the size of files is said before the run, and met in the log it ends no run`()
      throws
    {
      let words = try training("run", steps: 20).joined(separator: " ")
      // In units of 512 bytes.
      let refused = try place.shell("ulimit -f 8; exec runnel \(words)")
      refused.failed(1, "a checkpoint of this run is a file of", "ulimit -f", logs: true)
      try place.shell("runnel \(words)").succeeded()
      // A log as long as the limit.
      let line = try place.bytes(of: "run/metrics.jsonl").split(separator: 0x0A)[0] + [0x0A]
      let size = try max(place.bytes(of: "run/optimizer.safetensors").count, 1 << 17)
      let blocks = size / 512 + 60
      try place.write((0..<blocks * 512 / line.count).flatMap { _ in line }, to: "run/metrics.jsonl")
      let full = try place.shell(
        "ulimit -f \(blocks); exec runnel train --resume --out run --steps 60 --threads 1")
      full.failed(1, "the run is saved in run", "lines of metrics.jsonl could not be written", logs: true)
      #expect(full.errors.contains("lines of the log wait"))
      #expect(place.steps(of: "run") == 60)
    }

    @Test func `the corpus of a run is asked for where it is not found`() throws {
      try place.run(training("run")).succeeded()
      let line = "mkdir elsewhere; cd elsewhere; exec runnel train --resume --out ../run --steps 40"
      try place.shell(line).failed(1, "story.tokens.zst", "No such file", "--corpus")
      try place.shell(
        "cd elsewhere; exec runnel train --resume --out ../run --steps 40 --corpus ../story.tokens.zst"
      )
      .succeeded()
    }

    @Test func `memory that is not there is a sentence`() throws {
      // 2 GB of address space are room to begin, not for a matrix of 3 GB.
      let words = "bench train --mixer lru --width 27000 --layers 1 --batch 1 --segment 16"
      let outcome = try place.shell("ulimit -v 2000000; exec runnel \(words) --threads 1")
      #expect(outcome.code == 1 && !outcome.isSignalled, "\(outcome.code) \(outcome.errors)")
      #expect(outcome.errorLines.count == 1 && outcome.errors.contains("memory"), "\(outcome.errors)")
    }

    @Test(arguments: [200_000, 230_000, 260_000, 300_000, 400_000, 600_000])
    func `however little room there is, every verb ends`(kilobytes: Int) throws {
      // OpenBLAS asks for its buffers until it gets them, and waits for its own threads at the end.
      let corpus = try place.makeCorpus()
      for words in [
        ["--version"], Workplace.training("mamba", corpus: corpus, out: "run", steps: 1),
        ["check", "--mixer", "lru", "--tokens", "600"],
      ] {
        let command = words.joined(separator: " ")
        let outcome = try place.shell(
          "ulimit -v \(kilobytes); timeout -s KILL 120 runnel \(command); test $? -le 1")
        #expect(outcome.code == 0, "\(command): \(outcome.errors)")
      }
    }

    @Test func `where a step finds no memory, the last checkpoint is told`() throws {
      let corpus = try place.makeCorpus()
      let words = [
        "train", "--corpus", corpus, "--mixer", "mamba", "--out", "run", "--steps", "1", "--width", "32",
        "--layers", "2",
        "--threads", "1", "--batch", "16", "--segment", "2048",
      ]
      try place.run(words).succeeded()
      let plan = try place.run("info", "run", "--json").succeeded().json()
      let told = try #require((plan["training_memory"] as? [String: Int])?["total_bytes"])
      // Room for what the training takes, and none for the program itself.
      let outcome = try place.shell(
        "ulimit -v \(told / 1024 + 1); exec runnel train --resume --out run --steps 2 --threads 1")
      outcome.failed(
        1, "bytes of memory left; run holds the run at step 1, go on with --resume", "--batch", logs: true)
      #expect(!outcome.isSignalled && place.steps(of: "run") == 1)
    }
  }
}
