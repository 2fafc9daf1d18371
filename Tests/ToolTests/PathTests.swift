/// The way of a newcomer: a text, a corpus, a model, a stream, a score, a proof.

import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite struct Path {
    let place: Workplace
    init() throws { place = try Workplace() }

    @Test func `a corpus gives back the text it was built from`() throws {
      let corpus = try place.makeCorpus()
      let info = try place.run("corpus", "info", corpus, "--json").succeeded().json()
      let header = try #require(info["header"] as? [String: Any] ?? info)
      #expect(header["tokens"] as? Int == Workplace.story.count)
      #expect(header["documents"] as? Int == 1)
      #expect(keys(info).allSatisfy { $0 == $0.lowercased() }, "\(keys(info))")
      #expect(try place.run("corpus", "cat", corpus).succeeded().output == Workplace.story)
      let tail = try place.run("corpus", "cat", corpus, "--split", "validation").succeeded().output
      #expect(!tail.isEmpty && tail == Workplace.story.suffix(tail.count))
      let piece = try place.run("corpus", "cat", corpus, "--tokens", "100:163").succeeded().output
      #expect(piece == Array(Workplace.story[100..<163]))
      #expect(
        try place.run("corpus", "verify", corpus, "--json").succeeded().json()["passed"] as? Bool == true)
    }

    @Test func `a corpus can be built from stdin`() throws {
      try place.run("corpus", "build", "c.tokens.zst", "-", input: Workplace.story).succeeded()
      #expect(try place.run("corpus", "cat", "c.tokens.zst").succeeded().output == Workplace.story)
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/zstd")))
    func `stock zstd prints the same bytes`() throws {
      let corpus = try place.makeCorpus()
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/zstd")
      process.arguments = ["-dcq", place(corpus)]
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      #expect([UInt8](pipe.fileHandleForReading.readDataToEndOfFile()) == Workplace.story)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }

    @Test func `stories are told the same for the same seed`() throws {
      for name in ["a", "b"] {
        try place.run("corpus", "synth", "stories", name, "--megabytes", "0.2", "--seed", "3").succeeded()
      }
      #expect(try place.bytes(of: "a") == place.bytes(of: "b"))
      try place.run("corpus", "verify", "a").succeeded()
      let info = try place.run("corpus", "info", "a", "--json").succeeded().json()
      let header = try #require(info["header"] as? [String: Any] ?? info)
      let tokens = try #require(header["tokens"] as? Int)
      #expect((190_000...210_000).contains(tokens))
    }

    @Test(arguments: Registry.names)
    func `a model learns, streams, is scored in every form and proven`(mixer: String) throws {
      let corpus = try place.makeCorpus()
      let training = Workplace.training(mixer, corpus: corpus, out: "run") + ["--json"]
      let summary = try place.run(training).succeeded().json()
      #expect(summary["steps"] as? Int == 30)
      #expect(summary["tokens"] as? Int == 30 * 4 * 32)
      let validation = try #require(summary["validation_loss"] as? Double)
      #expect(validation < 5.2, "not better than a guess, log 256 = 5.545")
      for file in ["config.json", "model.safetensors", "optimizer.safetensors", "run.json", "metrics.jsonl"] {
        #expect(place.exists("run/" + file), "\(file)")
      }
      for file in ["config.json", "run.json"] {
        let bytes = try place.bytes(of: "run/" + file)
        #expect(try JSONSerialization.jsonObject(with: Data(bytes)) is [String: Any], "\(file)")
      }
      let text = String(decoding: try place.bytes(of: "run/metrics.jsonl"), as: UTF8.self)
      let metrics = place.metrics("run")
      #expect(metrics.count == text.split(separator: "\n").count && text.hasSuffix("\n"), "\(text)")
      let losses = metrics.compactMap { $0["loss"] as? Double }
      #expect(losses.count == 3 && losses[2] < losses[0], "\(losses)")

      let prompt = Array("The old fox".utf8)
      let generate = ["generate", "run", "--max-tokens", "50", "--seed", "5", "--threads"]
      let one = try place.run(generate + ["1"], input: prompt).succeeded()
      #expect(one.output.count == 50)
      #expect(one.errors.isEmpty, "\(one.errors)")
      #expect(try place.run(generate + ["1"], input: prompt).succeeded().output == one.output)
      #expect(try place.run(generate + ["2"], input: prompt).succeeded().output == one.output)
      #expect(try place.run(generate + ["1", "--prompt", "The old fox"]).succeeded().output == one.output)

      let tale = Array(Workplace.story.prefix(3000))
      let bits = try ["mix", "step", "parallel"].map { form in
        let score = try place.run("score", "run", "--form", form, "--json", input: tale).succeeded().json()
        #expect(score["tokens"] as? Int == tale.count - 1)
        return try #require(score["bits_per_byte"] as? Double)
      }
      for other in bits.dropFirst() { #expect(abs(other - bits[0]) <= 1e-4 * bits[0], "\(bits)") }
      // What never forgets is validated on separate segments, and scored with its state carried on.
      if try Registry.mixer(named: mixer).forgets {
        let split = try place.run("score", "run", "--corpus", corpus, "--json").succeeded().json()
        #expect(try abs(#require(split["loss"] as? Double) - validation) < 0.1)
      }

      let check = try place.run("check", "run", "--tokens", "300", "--json").succeeded().json()
      #expect(check["passed"] as? Bool == true)
      let info = try place.run("info", "run", "--json").succeeded().json()
      #expect(info["mixer"] as? String == mixer && info["width"] as? Int == 32 && info["layers"] as? Int == 2)
      #expect((info["run"] as? [String: Any])?["steps"] as? Int == 30)
    }

    @Test func `a pattern of mixers trains, goes on, streams, is scored and proven`() throws {
      let corpus = try place.makeCorpus()
      let train = ["train", "--corpus", corpus, "--out", "run", "--json", "--mixer", "mamba,attention"]
      let shape = ["--width", "32", "--layers", "3", "--batch", "4", "--segment", "32"]
      let summary = try place.run(train + shape + ["--steps", "5"]).succeeded().json()
      #expect(summary["steps"] as? Int == 5)
      let longer = try place.run(train + ["--resume", "--steps", "8"]).succeeded().json()
      #expect(longer["steps"] as? Int == 8)
      try place.run("train", "--corpus", corpus, "--out", "run", "--resume", "--mixer", "mamba")
        .failed(1, "mamba,attention", "leave --mixer out")
      let info = try place.run("info", "run", "--json").succeeded().json()
      #expect(info["mixer"] as? String == "mamba,attention" && info["layers"] as? Int == 3)
      let generate = ["generate", "run", "--max-tokens", "20", "--seed", "5", "--prompt", "The old"]
      let whole = try place.run(generate).succeeded().output
      #expect(whole.count == 20)
      let tale = Array(Workplace.story.prefix(500))
      let losses = try ["mix", "step", "parallel"].map { form in
        let score = try place.run("score", "run", "--form", form, "--json", input: tale).succeeded().json()
        return try #require(score["bits_per_byte"] as? Double)
      }
      for other in losses.dropFirst() { #expect(abs(other - losses[0]) <= 1e-4 * losses[0], "\(losses)") }
      for model in [["run"], ["--mixer", "mamba,attention"]] {
        let check = try place.run(["check", "--tokens", "300", "--json"] + model).succeeded().json()
        #expect(check["passed"] as? Bool == true && check["mixer"] as? String == "mamba,attention")
      }
    }

    @Test func `a long stream is proven in constant memory`() throws {
      let model = try place.makeModel("mingru", steps: 2)
      for subject in [[model], ["--mixer", "linear-attention"]] {
        let check = try place.run(["check", "--long", "20000", "--json", "--threads", "1"] + subject)
          .succeeded().json()
        let points = try #require(check["points"] as? [[String: Any]])
        #expect(check["passed"] as? Bool == true && check["tokens"] as? Int == 20_000)
        #expect(points.map { $0["tokens"] as? Int } == [1000, 10_000, 20_000])
        #expect(try #require(check["max_relative_error"] as? Double) < 1e-4)
        // What never forgets has no bound.
        #expect(check["forgets"] as? Bool == (check["tolerance"] is Double))
        let memory = points.compactMap { $0["resident_bytes"] as? Int }
        if let first = memory.first, let last = memory.last { #expect(last - first < 8 << 20) }
      }
      try place.run("check", model, "--long", "0").failed(64, "--long")
    }

    @Test func `info lists every mixer of the registry`() throws {
      let list = try place.run("info", "--mixers", "--json").succeeded()
      let entries = try #require(
        JSONSerialization.jsonObject(with: Data(list.output)) as? [[String: Any]])
      #expect(entries.compactMap { $0["name"] as? String } == Registry.names)
      let table = try place.run("info", "--mixers").succeeded().text
      for name in Registry.names { #expect(table.contains("\n" + name + " ")) }
    }

    @Test(arguments: [
      ["corpus", "build"], ["corpus", "info"], ["corpus", "cat"], ["corpus", "verify"], ["corpus", "synth"],
      ["train"], ["generate"], ["score"], ["check"], ["bench", "train"], ["bench", "decode"],
      ["bench", "prefill"], ["bench", "product"], ["info"],
    ])
    func `help shows an example`(verb: [String]) throws {
      let help = try place.run(verb + ["--help"]).succeeded()
      #expect(help.text.contains("Example: ") && help.text.contains("runnel " + verb[0]), "\(help.text)")
      #expect(help.text.contains("USAGE: runnel \(verb.joined(separator: " "))"))
    }

    @Test(arguments: ["train", "decode", "prefill"])
    func `a benchmark tells its share of the peak`(kind: String) throws {
      let sizes = [
        "--mixer", "mamba", "--width", "32", "--layers", "1", "--seconds", "0.05", "--threads", "1",
      ]
      let result = try place.run(["bench", kind, "--json"] + sizes).succeeded().json()
      let speed = try #require(result["tokens_per_second"] as? Double)
      let share = try #require(result["share_of_peak"] as? Double)
      #expect(speed > 0 && share > 0)
      if kind == "decode" {
        #expect(result["peak_gb_per_second"] is Double)
      } else {
        let fma = try #require(result["peak_gflops"] as? Double)
        let sgemm = try #require(result["sgemm_gflops"] as? Double)
        let ofSgemm = try #require(result["share_of_sgemm"] as? Double)
        #expect(fma > 0 && sgemm > 0 && ofSgemm > 0)
        #expect(result["peak_gflops_per_thread"] is Double)
        #expect((result["int8_peak_gops"] != nil) == (InstructionSet.current == .avx512VNNI))
      }
      #expect(result["instructions"] as? String == "\(InstructionSet.current)")
    }

    @Test(arguments: ["1", "2"])
    func `a profile of training tells where all of the time goes`(threads: String) throws {
      let sizes = [
        "--mixer", "mamba2", "--width", "64", "--layers", "1", "--batch", "2", "--segment", "64", "--seconds",
        "0.05", "--threads", threads, "--profile",
      ]
      let result = try place.run(["bench", "train", "--json"] + sizes).succeeded().json()
      let profile = try #require(result["profile"] as? [String: Any])
      let work = try #require(profile["work"] as? [[String: Any]])
      let sums = work.compactMap { $0["sum"] as? Double }
      #expect(abs(sums.reduce(0, +) - 1) < 1e-6 && sums.count == work.count)
      for row in work {
        let parts = ["computing", "waiting", "idle"].compactMap { row[$0] as? Double }
        #expect(parts.count == 3 && abs(parts.reduce(0, +) - (row["sum"] as? Double ?? 0)) < 1e-6, "\(row)")
        if threads == "1" { #expect(parts.dropFirst().allSatisfy { $0 == 0 }, "\(row)") }
      }
      func has(_ name: String, _ direction: String) -> Bool {
        work.contains { $0["work"] as? String == name && $0["direction"] as? String == direction }
      }
      for name in ["products", "recurrence", "chunk products", "elementwise", "norms", "convolution"] {
        #expect(has(name, "forward") && has(name, "backward"), "\(name)")
      }
      #expect(has("loss", "forward") && has("optimizer", "update") && has("rest", "forward"))
      let table = try place.run(["bench", "train"] + sizes).succeeded().text
      for text in [
        "products", "optimizer", "waiting", "idle", "100.0", "linear", "percent of the time of all",
      ] {
        #expect(table.contains(text), "\(text)")
      }
    }

    @Test(arguments: PackedElement.allCases)
    func `a benchmark of packed products tells both shares`(dtype: PackedElement) throws {
      let sizes = [
        "--width", "32", "--layers", "1", "--vocabulary", "100", "--segment", "5", "--seconds", "0.05",
        "--threads", "1",
      ]
      let result = try place.run(["bench", "product", "--json", "--dtype", dtype.rawValue] + sizes)
        .succeeded().json()
      for key in [
        "tokens_per_second", "share_of_peak", "prefill_tokens_per_second", "prefill_share_of_peak",
        "prefill_share_of_sgemm", "peak_gflops", "sgemm_gflops",
      ] {
        #expect(try #require(result[key] as? Double) > 0, "\(key)")
      }
      #expect(result["dtype"] as? String == dtype.rawValue)
    }

    private func keys(_ value: Any) -> [String] {
      if let object = value as? [String: Any] { return object.flatMap { [$0.key] + keys($0.value) } }
      if let list = value as? [Any] { return list.flatMap { keys($0) } }
      return []
    }
  }
}
