/// Bad input is answered with one clear line and the right exit code, never with a crash.

import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite struct BadInput {
    let place: Workplace
    init() throws { place = try Workplace() }

    @Test(arguments: [
      ["train", "--mixer", "lru", "--out", "run", "--corpus"], ["corpus", "info"], ["corpus", "cat"],
    ])
    func `what is no corpus is refused`(verb: [String]) throws {
      let corpus = try place.makeCorpus()
      let bytes = try place.bytes(of: corpus)
      try place.write(bytes.prefix(bytes.count / 2), to: "cut")
      try place.write([], to: "empty")
      try place.run(verb + ["missing"]).failed(1, "missing", "No such file")
      try place.run(verb + ["story.txt"]).failed(1, "story.txt", "not a corpus")
      try place.run(verb + ["cut"]).failed(1, "cut: ")
      try place.run(verb + ["empty"]).failed(1, "empty: ")
      try place.run(verb + ["."]).failed(1, "folder")
      #expect(!place.exists("run"))
    }

    @Test func `a damaged corpus is found out by verify`() throws {
      var bytes = try place.bytes(of: place.makeCorpus())
      bytes[bytes.count / 3] ^= 0x10
      try place.write(bytes, to: "damaged")
      let result = try place.run("corpus", "verify", "damaged", "--json")
      #expect(result.code == 1 && !result.isSignalled)
      #expect(try result.json()["passed"] as? Bool == false)
    }

    @Test func `texts that cannot be read and places that cannot be written are named`() throws {
      let corpus = try place.makeCorpus()
      try place.run("corpus", "build", "out", "missing.txt").failed(1, "missing.txt")
      try place.run("corpus", "build", "out", "story.pdf").failed(1, "story.pdf")
      try place.run("corpus", "build", "out", "-").failed(1, "no text")
      try place.run("corpus", "build", "nowhere/out", "story.txt").failed(1, "nowhere/out")
      try place.run("corpus", "synth", "stories", "nowhere/out", "--megabytes", "0.01").failed(
        1, "nowhere/out")
      #expect(!place.exists("out"))
      try place.run(Workplace.training("lru", corpus: corpus, out: "story.txt")).failed(
        1, "story.txt", logs: true)
      try place.run(Workplace.training("lru", corpus: corpus, out: "story.txt/in")).failed(
        1, "story.txt/in", logs: true)
    }

    @Test func `a damaged model is refused by name`() throws {
      let model = try place.makeModel()
      let weights = try place.bytes(of: model + "/model.safetensors")
      let json = try place.unsealedText(model + "/config.json")
      func info(_ file: String, _ bytes: some Sequence<UInt8>) throws -> Outcome {
        try place.copy(model, to: "bad")
        try place.write(bytes, to: "bad/" + file)
        return try place.run("info", "bad")
      }
      func mended(_ old: String, _ new: String) -> [UInt8] {
        Array(json.replacing(old, with: new).utf8)
      }
      for count in [0, 7, 100, weights.count / 2, weights.count - 1] {
        try info("model.safetensors", weights.prefix(count)).failed(1, "bad/model.safetensors: ")
      }
      try info("model.safetensors", weights + [0]).failed(1, "bad/model.safetensors: ")
      try info("config.json", []).failed(1, "bad/config.json: ")
      try info("config.json", "hello".utf8).failed(1, "bad/config.json: ", "JSON")
      try info("config.json", "{}".utf8).failed(1, "bad/config.json: ", "mixer")
      try info("config.json", Array(repeating: UInt8(ascii: "["), count: 100_000)).failed(
        1, "bad/config.json: ")
      try info("config.json", mended("\"mamba\"", "\"mumba\"")).failed(1, "mumba", "mamba", "retnet")
      try info("config.json", mended("\"mamba\"", "\"retnet\"")).failed(1, "bad/config.json: ")
      for width in ["48", "0", "-1", "4611686018427387904", "1e300", "\"wide\""] {
        try info("config.json", mended("\"width\" : 32", "\"width\" : \(width)")).failed(1, "bad/")
      }
      for field in ["layers\" : 2", "vocabulary_size\" : 256", "state_size\" : 16", "expanded_width\" : 64"] {
        let name = field.prefix { $0 != "\"" }
        for value in ["0", "-3", "1000000", "4611686018427387904"] {
          try info("config.json", mended(field, "\(name)\" : \(value)")).failed(1, "bad/")
        }
      }
      var spoilt = weights
      for index in spoilt.count - 4..<spoilt.count { spoilt[index] = 0xFF }
      try info("model.safetensors", spoilt).failed(1, "bad/model.safetensors: ", "checksum")
      try place.run("generate", "missing", "--prompt", "a").failed(1, "missing")
      try place.run("score", "story.txt", input: [1, 2, 3]).failed(1, "story.txt")
    }

    @Test func `a damaged checkpoint is not resumed, and a finished run not overwritten`() throws {
      let model = try place.makeModel()
      let resume = ["train", "--corpus", "story.tokens.zst", "--resume", "--out"]
      try place.run(resume + ["missing"]).failed(1, "missing")
      try place.run(resume + [model, "--mixer", "lru"]).failed(1, "mamba", "lru")
      try place.run(Workplace.training("mamba", corpus: "story.tokens.zst", out: model)).failed(1, "--resume")
      let bytes = try place.bytes(of: model + "/optimizer.safetensors")
      for count in [0, 500, bytes.count - 1] {
        try place.write(bytes.prefix(count), to: model + "/optimizer.safetensors")
        try place.run(resume + [model]).failed(1, "optimizer.safetensors")
      }
      try place.copy(model + "/model.safetensors", to: model + "/optimizer.safetensors")
      try place.run(resume + [model]).failed(1, "optimizer.safetensors")
    }

    @Test(arguments: [
      (["--nonsense"], "--nonsense"), (["--temperature", "-1"], "temperature"),
      (["--temperature=-1"], "temperature"), (["--temperature", "nan"], "temperature"),
      (["--temperature", "warm"], "--temperature"), (["--top-p", "2"], "top-p"), (["--top-p", "0"], "top-p"),
      (["--top-k=-1"], "top-k"), (["--min-p", "1.5"], "min-p"), (["--repetition-penalty", "0"], "penalty"),
      (["--threads", "0"], "--threads"), (["--max-tokens=-1"], "--max-tokens"), (["--seed=-1"], "--seed"),
      (["--stop", ""], "--stop"),
    ])
    func `generate refuses nonsense as a usage error`(options: [String], named: String) throws {
      try place.run(["generate", "model"] + options, input: [65]).failed(64, named)
    }

    @Test(arguments: [
      ["--minutes", "0"], ["--minutes", "nan"], ["--minutes=-1"], ["--steps", "0"], ["--steps=-1"],
      ["--tokens", "0"], ["--batch", "0"], ["--segment=-1"], ["--width", "0"], ["--width=-32"],
      ["--layers", "0"],
      ["--learning-rate", "0"], ["--learning-rate=-1"], ["--learning-rate", "inf"], ["--clip", "0"],
      ["--warmup", "2"], ["--threads", "0"], ["--schedule", "zigzag"], ["--size", "2m"],
      ["--checkpoint-every=-1"], ["--validate-every=-1"],
      ["--set", "heads"], ["--set", "haeds=2"], ["--set", "heads=two"], ["--set", "key_width=3"],
      ["--set", "gla.heads=2"], ["--width", "7", "--heads", "3"], ["--heads", "0"], ["--heads=-2"],
      ["--steps", "1", "--minutes", "1"],
    ])
    func `train refuses nonsense before it makes anything`(options: [String]) throws {
      let corpus = try place.makeCorpus()
      // Should the nonsense be accepted, one step is soon done.
      let budgets: Set = ["--minutes", "--steps", "--tokens"]
      let named = options.map { String($0.prefix { $0 != "=" }) }
      let budget = budgets.isDisjoint(with: named) ? ["--steps", "1"] : []
      let outcome = try place.run(
        ["train", "--corpus", corpus, "--mixer", "retnet", "--out", "run"] + budget + options)
      outcome.failed(outcome.code == 64 ? 64 : 1)
      #expect(!place.exists("run"))
    }

    @Test(arguments: [
      ["--width", "9223372036854775807", "--layers", "1"], ["--width", "1000000000000", "--layers", "1"],
      ["--width", "32", "--layers", "4611686018427387904"], ["--batch", "1000000000000", "--width", "32"],
      ["--batch", "4611686018427387904", "--segment", "4"], ["--segment", "4611686018427387904"],
    ])
    func `sizes beyond any memory are refused, not a crash`(options: [String]) throws {
      let corpus = try place.makeCorpus()
      let outcome = try place.run(
        ["train", "--corpus", corpus, "--mixer", "lru", "--out", "run", "--steps", "1"] + options)
      outcome.failed(outcome.code == 64 ? 64 : 1)
      #expect(!place.exists("run"))
    }

    @Test func `an unknown mixer is a usage error that lists the mixers`() throws {
      for verb in [["train", "--corpus", "c", "--out", "run"], ["check"], ["bench", "train"]] {
        let outcome = try place.run(verb + ["--mixer", "transformer"])
        outcome.failed(64, "transformer")
        for name in Registry.names { #expect(outcome.errors.contains(name)) }
      }
      for pattern in ["mamba,transformer", "mamba,", ",mamba"] {
        try place.run("check", "--mixer", pattern).failed(64, "'\(pattern)'", "rwkv7")
      }
      try place.run("train", "--corpus", "c", "--out", "run").failed(64, "--mixer")
      try place.run("nonsense").failed(64, "nonsense")
      try place.run("check", "--mixer", "lru", "--tokens", "3").failed(64, "--tokens")
      // Options that would have no effect.
      try place.run("score", "model", "--split", "train").failed(64, "--split")
      for option in ["--width", "--layers", "--vocabulary"] {
        try place.run("bench", "decode", "model", option, "8").failed(64, option)
      }
      for verb in [["check"], ["bench", "decode"]] {
        try place.run(verb + ["model", "--set", "state_size=3"]).failed(64, "--set")
      }
      try place.run("check").failed(64, "--mixer")
      try place.run("score", "model", "--form", "quick").failed(64, "step", "mix", "parallel")
    }

    @Test func `an empty stdin is told, and any bytes are data`() throws {
      let model = try place.makeModel(steps: 5)
      try place.run("generate", model).failed(1, "empty")
      try place.run("generate", model, "--prompt", "").failed(1, "empty")
      try place.run("score", model).failed(1, "nothing to score")
      try place.run("score", model, input: [65]).failed(1, "nothing to score")

      let bytes: [UInt8] = (0..<768).map { UInt8($0 % 256) } + [0xC3, 0x28, 0xFF, 0xFE, 0x80, 0xF0]
      #expect(
        try place.run("generate", model, "--max-tokens", "100", input: bytes).succeeded().output.count == 100)
      let score = try place.run("score", model, "--json", input: bytes).succeeded().json()
      #expect(score["tokens"] as? Int == bytes.count - 1)
      for unit in ["token", "line"] {
        let lines = try place.run("score", model, "--per", unit, "--json", input: bytes).succeeded().output
          .split(separator: 10)
        let entries = try lines.dropLast().map {
          try #require(JSONSerialization.jsonObject(with: Data($0)) as? [String: Any])
        }
        #expect(entries.reduce(0) { $0 + ($1["tokens"] as? Int ?? 0) } == bytes.count)
      }
      // The bits of a unit are of the bytes that were predicted: of all but the first.
      for words in [["--per", "line"], ["--follow"]] {
        let lines = try place.run(["score", model, "--json"] + words, input: Array("a\n\n".utf8)).succeeded()
          .output
        let first = try #require(
          JSONSerialization.jsonObject(with: Data(lines.prefix { $0 != 10 })) as? [String: Any])
        let (nats, bits) = try (
          #require(first["nats"] as? Double), #require(first["bits_per_byte"] as? Double)
        )
        #expect(abs(nats / log(2) - bits) < 1e-9 && nats > 0)
        let bare = try place.run(["score", model, "--json"] + words, input: Array("\na\n".utf8)).succeeded()
          .text
        #expect(!bare.prefix { $0 != "\n" }.contains("bits_per_byte"), "\(bare)")
      }
      // What is no text stands in JSON as bytes, too.
      let ban = (0..<256).filter { $0 != 0xFF }.flatMap { ["--logit-bias", "\($0):-inf"] }
      for words in [["--max-tokens", "3"], ["--max-tokens", "3", "--streams", "1"]] {
        let record = try place.run(["generate", model, "--prompt", "a", "--json"] + words + ban).succeeded()
          .json()
        #expect(record["bytes"] as? String == "ffffff")
      }
      let unit = try place.run("score", model, "--per", "document", "--json", input: [0x61, 0x80]).succeeded()
      #expect(unit.text.contains(#""bytes":"6180""#))
      // And where no token is left, nothing is drawn.
      try place.run(["generate", model, "--prompt", "a"] + ban + ["--logit-bias", "255:-inf"]).failed(
        1, "ban all 256 tokens")
      // Bytes of no text go through a corpus unchanged, too.
      try place.run("corpus", "build", "binary", "-", input: bytes).succeeded()
      #expect(try place.run("corpus", "cat", "binary").succeeded().output == bytes)
    }

    @Test func `a stdin that cannot be read is an error, not an end`() throws {
      let model = try place.makeModel(steps: 5)
      for verb in [["score", model], ["generate", model, "--max-tokens", "2"]] {
        let running = try place.start(verb, folderAsInput: true)
        try running.wait().failed(1, "stdin", "cannot be read")
      }
    }

    @Test func `a state of another model, or no state, is refused`() throws {
      try place.makeModel("mamba", "a", steps: 5)
      try place.makeModel("mamba", "b", steps: 6)
      try place.makeModel("retnet", "c", steps: 5)
      let generate = ["--max-tokens", "4", "--prompt", "The "]
      try place.run(["generate", "a", "--save-state", "s"] + generate).succeeded()
      for other in ["b", "c"] {
        try place.run(["generate", other, "--load-state", "s"] + generate).failed(1, "s: ", "fingerprint")
      }
      let state = try place.bytes(of: "s")
      try place.write(state.prefix(state.count / 2), to: "cut")
      for file in ["missing", "cut", "story.txt", "a/model.safetensors"] {
        try place.run(["generate", "a", "--load-state", file] + generate).failed(1, file + ": ")
      }
      let lost = try place.run(["generate", "a", "--save-state", "nowhere/s"] + generate)
      #expect(lost.code == 1 && lost.errorLines.count == 1 && lost.errors.contains("nowhere/s"))
    }

    @Test(arguments: [
      ["generate", "model", "--prompt", "The ", "--max-tokens", "1000000", "--temperature", "0"],
      ["score", "model", "--per", "token"], ["corpus", "cat", "story.tokens.zst"],
    ])
    func `a closed pipe ends the tool quietly`(verb: [String]) throws {
      try place.makeModel("lru", steps: 100)
      let pipe = Pipe()
      let text = (0..<20).flatMap { _ in Workplace.story }
      let running = try place.start(verb, input: text, output: pipe)
      try? pipe.fileHandleForWriting.close()
      let head = try #require(try pipe.fileHandleForReading.read(upToCount: 10))
      #expect(!head.isEmpty)
      try pipe.fileHandleForReading.close()
      let outcome = try running.wait()
      #expect(outcome.errors.isEmpty, "\(outcome.errors)")
      #expect(outcome.code == (outcome.isSignalled ? SIGPIPE : 0))
    }

    @Test func `scoring a stream ten times as long takes no more memory`() throws {
      let model = try place.makeModel("lru", steps: 2)
      for (form, copies) in [("mix", 8), ("step", 2), ("parallel", 2)] {
        let short = (0..<copies).flatMap { _ in Workplace.story }
        let long = (0..<10).flatMap { _ in short }
        let peaks = try [short, long].map { text in
          let arguments = ["score", model, "--form", form, "--json", "--threads", "1"]
          return try #require(
            try place.run(arguments, input: text).succeeded().json()["peak_rss_bytes"] as? Int)
        }
        #expect(peaks[1] - peaks[0] < 4 << 20, "\(form): \(peaks)")
      }
    }
  }
}
