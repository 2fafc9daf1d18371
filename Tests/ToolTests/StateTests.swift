/// `runnel state` and `runnel generate --journal`: streams on disk, there and back.

import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite struct States {
    let place: Workplace
    init() throws { place = try Workplace() }

    private func model() throws -> String {
      let corpus = try place.makeCorpus()
      try place.run(Workplace.training("mamba", corpus: corpus, out: "run")).succeeded()
      return "run"
    }
    private func generate(_ arguments: String..., input: [UInt8] = []) throws -> [UInt8] {
      try place.run(["generate", "run"] + arguments, input: input).succeeded().output
    }

    @Test func `a state is described, forked and compared`() throws {
      _ = try model()
      _ = try generate("--prompt", "The ", "--max-tokens", "20", "--save-state", "a")
      let info = try place.run("state", "info", "a", "--json").succeeded().json()
      #expect(info["position"] as? Int == 24 && info["mixer"] as? String == "mamba")
      let sampling = try #require(info["sampling"] as? [String: Any])
      #expect(
        sampling["top_k"] as? Int == 0 && sampling.keys.allSatisfy { $0 == $0.lowercased() }, "\(sampling)")
      let tensors = try #require(info["tensors"] as? [[String: Any]])
      #expect(
        tensors.contains { $0["name"] as? String == "layers.0.memory" && $0["norm"] as? Double ?? 0 > 0 })
      #expect(try place.run("state", "info", "a").succeeded().text.contains("24 tokens read"))

      try place.run("state", "fork", "a", "b").succeeded()
      #expect(try place.run("state", "diff", "a", "b", "--json").succeeded().json()["equal"] as? Bool == true)
      #expect(try generate("--load-state", "a") == generate("--load-state", "b"))
      try place.run("state", "fork", "a", "c", "--seed", "9").succeeded()
      let other = try place.run("state", "diff", "a", "c", "--json").succeeded().json()
      #expect(other["equal"] as? Bool == false && other["same_sampler"] as? Bool == false)
      #expect(other["same_model"] as? Bool == true)
      #expect(try generate("--load-state", "a") != generate("--load-state", "c"))

      _ = try generate("--load-state", "a", "--max-tokens", "1", "--save-state", "d")
      #expect(try place.run("state", "diff", "a", "d").succeeded().text.hasPrefix("different"))
    }

    @Test func `a journal goes on, back, and forks`() throws {
      _ = try model()
      let whole = try generate("--prompt", "The ", "--max-tokens", "90")
      let first = try generate(
        "--prompt", "The ", "--max-tokens", "40", "--journal", "j", "--journal-every", "16")
      // Going on takes nothing from a terminal or pipe that is empty.
      let second = try generate("--journal", "j", "--max-tokens", "50")
      #expect(first + second == whole)
      let info = try place.run("state", "info", "j", "--json").succeeded().json()
      #expect(info["position"] as? Int == 94 && info["first_position"] as? Int == 0)

      // From where 30 tokens had been drawn, the same 60 come again.
      try place.run("state", "fork", "j", "fork", "--at", "34", "--model", "run").succeeded()
      #expect(try generate("--load-state", "fork", "--max-tokens", "60") == whole.suffix(60))
      #expect(try generate("--journal", "j", "--rewind", "34", "--max-tokens", "60") == whole.suffix(60))
      #expect(
        try generate("--journal", "j", "--rewind", "34", "--seed", "8", "--max-tokens", "60")
          != whole.suffix(60))
    }

    @Test func `a state moves to another precision when asked, and the difference is printed`() throws {
      _ = try model()
      try place.run("convert", "run", "int8", "--to", "recurrent", "--dtype", "int8", "--tokens", "64")
        .succeeded()
      _ = try generate("--prompt", "The red fox ", "--max-tokens", "20", "--save-state", "a")
      try place.run("generate", "int8", "--load-state", "a", "--max-tokens", "5").failed(
        1, "runnel state move")
      let move = ["state", "move", "a", "b", "--from", "run", "--to", "int8"]
      let report = try place.run(move + ["--json", "--tokens", "30"]).succeeded().json()
      let difference = try #require(report["difference"] as? [String: Any])
      #expect(difference["tokens"] as? Int == 30)
      let mean = try #require(difference["mean_kl_divergence"] as? Double)
      #expect(mean > 0 && mean < 0.1 && report["position"] as? Int == 32)
      #expect(try place.run(move).succeeded().text.contains("nats on average"))
      try place.run("generate", "int8", "--load-state", "b", "--max-tokens", "5").succeeded()
      // The first token is drawn from what the source had found, so it is the same.
      let first = try place.run("generate", "int8", "--load-state", "b", "--max-tokens", "1").succeeded()
        .output
      #expect(try first == generate("--load-state", "a", "--max-tokens", "1"))
      try place.run("state", "move", "b", "c", "--from", "run", "--to", "int8").failed(1, "fingerprint")
    }

    @Test func `a state keeps to the configuration of its model`() throws {
      _ = try model()
      _ = try generate("--prompt", "The ", "--max-tokens", "5", "--save-state", "a")
      try place.copy("run", to: "changed")
      let text = try place.unsealedText("run/config.json")
      let changed = text.replacing(try Regex("\"norm_epsilon\" : [^,]*"), with: "\"norm_epsilon\" : 0.1")
      #expect(changed != text)
      try place.write(Array(changed.utf8), to: "changed/config.json")
      try place.run("generate", "changed", "--load-state", "a").failed(1, "another configuration")
      // As states were before: only their weights can be compared, which is said.
      let file = try SafetensorsFile(place("a"))
      var metadata = file.metadata
      metadata["fingerprint"] = metadata["fingerprint"].map { String($0.prefix { $0 != "-" }) }
      var writer = SafetensorsWriter(metadata: metadata)
      for name in file.names {
        if try file.entry(name).elementType == .float32 {
          writer.add(name, try file.tensor(name))
        } else {
          writer.add(name, try file.integers(name))
        }
      }
      try writer.write(to: place("old"))
      let old = try place.run("generate", "run", "--load-state", "old", "--max-tokens", "9").succeeded()
      #expect(old.errors.contains("only the weights could be compared"))
      #expect(try old.output == generate("--load-state", "a", "--max-tokens", "9"))
    }

    @Test func `a stream is saved where nothing of another kind is lost`() throws {
      _ = try model()
      _ = try generate("--prompt", "The ", "--max-tokens", "5", "--save-state", "a")
      _ = try generate("--load-state", "a", "--max-tokens", "5", "--save-state", "a")
      try place.write(Array("a note".utf8), to: "note.txt")
      try FileManager.default.createDirectory(atPath: place("letters"), withIntermediateDirectories: true)
      try place.write(Array("a letter".utf8), to: "letters/one.txt")
      let weights = try place.bytes(of: "run/model.safetensors")
      let text = Array("The old fox".utf8)
      for target in ["note.txt", "run/model.safetensors", "run/config.json", "story.tokens.zst"] {
        let writers: [[String]] = [
          ["generate", "run", "--prompt", "x", "--max-tokens", "1", "--save-state", target],
          ["generate", "run", "--follow", "--max-tokens", "1", "--save-state", target],
          ["score", "run", "--save-state", target], ["state", "fork", "a", target],
          ["state", "move", "a", target, "--from", "run", "--to", "run"],
        ]
        for arguments in writers {
          try place.run(arguments, input: text).failed(1, "a saved stream", "--force")
        }
      }
      try place.run("state", "fork", "a", "a").failed(1, "the input")
      try place.run("generate", "run", "--prompt", "x", "--journal", "letters").failed(1, "a journal")
      try place.run("generate", "run", "--prompt", "x", "--journal", "run").failed(1, "a journal")
      #expect(try place.bytes(of: "note.txt") == Array("a note".utf8))
      #expect(try place.bytes(of: "run/model.safetensors") == weights)
      try place.run("state", "fork", "a", "note.txt", "--force").succeeded()
      #expect(try place.run("state", "diff", "a", "note.txt").succeeded().text.hasPrefix("equal"))
    }

    @Test func `what is wrong is said in one line`() throws {
      _ = try model()
      _ = try generate("--prompt", "The ", "--max-tokens", "9", "--journal", "j", "--save-state", "a")
      try place.run("generate", "run", "--rewind", "3").failed(64, "--journal")
      try place.run("generate", "run", "--journal", "j", "--streams", "2", "--prompt", "x").failed(
        64, "one stream")
      try place.run("generate", "run", "--journal", "j", "--load-state", "a").failed(
        1, "holds a stream already")
      try place.run("generate", "run", "--journal", "j", "--rewind", "99", input: []).failed(1, "at most 13")
      try place.run("state", "info", "run/config.json").failed(1, "config.json")
      try place.run("state", "info", "run/model.safetensors").failed(1, "--save-state")
      try place.run("state", "fork", "j", "x").failed(1, "--model")
      try place.run("state", "move", "j", "x", "--from", "run", "--to", "run").failed(1, "state fork")
      try place.run("state", "fork", "a", "x", "--at", "3").failed(1, "no journal")
      try place.run("state", "diff", "a", "nowhere").failed(1, "nowhere")
      #expect(!place.exists("x"))
    }
  }
}
