/// Numbers that overflow, and ids that no model has: every verb ends with one line and exit 1, never with "nan" and 0.

import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite struct Overflow {
    let place: Workplace
    init() throws { place = try Workplace() }

    /// A model of finite weights whose layer 1 overflows, with the corpus it was trained on.
    private func overflowing(_ name: String = "ill") throws -> String {
      try place.makeModel("gla", "sound")
      let model = try ModelFolder.load(place("sound")).trainable().replacingParameters { parameter in
        guard parameter.name.hasPrefix("layers.1.mixer."), parameter.value.shape.rank == 2 else {
          return parameter.value
        }
        return Tensor(parameter.value.scalars.map { max(-3e38, min(3e38, $0 * 1e38)) }, parameter.value.shape)
      }
      try ModelFolder.save(model, to: place(name))
      return name
    }

    @Test func `a model that overflows ends every verb with the name of the layer`() throws {
      let ill = try overflowing()
      let story = Array(Workplace.story.prefix(900))
      let commands: [[String]] = [
        ["generate", ill, "--prompt", "The ", "--max-tokens", "5"],
        ["generate", ill, "--prompt", "The ", "--max-tokens", "5", "--json"],
        ["generate", ill, "--prompt", "The ", "--max-tokens", "5", "--streams", "3"],
        ["generate", ill, "--follow", "--max-tokens", "5"],
        ["generate", ill, "--follow", "--streams", "2", "--max-tokens", "5"],
        ["generate", ill, "--prompt", "The ", "--save-state", "s", "--max-tokens", "1"],
        ["generate", ill, "--prompt", "The ", "--journal", "j", "--max-tokens", "5"],
        ["score", ill], ["score", ill, "--json"], ["score", ill, "--form", "step"],
        ["score", ill, "--form", "parallel"], ["score", ill, "--per", "token"], ["score", ill, "--follow"],
        ["score", ill, "--corpus", "story.tokens.zst"],
        ["convert", ill, "a", "--to", "recurrent", "--tokens", "100"],
        ["convert", ill, "b", "--to", "recurrent", "--dtype", "int4", "--tokens", "100", "--json"],
        ["convert", ill, "c", "--to", "parallel", "--tokens", "100"],
        ["check", ill, "--tokens", "32"], ["check", ill, "--long", "20", "--json"],
      ]
      for arguments in commands {
        let outcome = try place.run(arguments, input: story)
        #expect(outcome.code == 1 && !outcome.isSignalled, "\(arguments): \(outcome.code)")
        #expect(outcome.errors.contains("layers.1.m"), "\(arguments): \(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count { $0.hasPrefix("Error: ") } == 1, "\(arguments)")
        #expect(!outcome.text.lowercased().contains("nan"), "\(arguments): \(outcome.text)")
      }
      #expect(!place.exists("s"))
      // Speed does not depend on what the numbers are, and no figure is one of them.
      let bench = try place.run("bench", "decode", ill, "--seconds", "0.1", "--json").succeeded()
      #expect(!bench.text.contains("nan"))
    }

    @Test func `memory that is no number is refused by name, and a look at it says so`() throws {
      try place.makeModel("retnet", "model")
      try place.run("generate", "model", "--prompt", "The ", "--max-tokens", "5", "--save-state", "s")
        .succeeded()
      let file = try SafetensorsFile(place("s"))
      let ill = try #require(
        try file.names.first {
          try $0.hasPrefix("state.layers.1") && file.entry($0).count > 1
        })
      for value in [Float.nan, .infinity, -.infinity] {
        var writer = SafetensorsWriter(metadata: file.metadata)
        for name in file.names {
          if try file.entry(name).elementType == .float32 {
            var tensor = try file.tensor(name)
            if name == ill { tensor[1] = value }
            writer.add(name, tensor)
          } else {
            writer.add(name, try file.integers(name))
          }
        }
        try writer.write(to: place("bad"))
        for verb in [["generate", "model", "--max-tokens", "5"], ["score", "model"]] {
          try place.run(verb + ["--load-state", "bad"], input: Array("text".utf8)).failed(1, ill, "\(value)")
        }
        let info = try place.run("state", "info", "bad", "--json").succeeded()
        #expect(!info.text.contains(": \"-inf\"") && info.text.contains("holds") == (value != -.infinity))
        let diff = try place.run("state", "diff", "s", "bad", "--json").succeeded()
        #expect(!diff.text.contains("nan") && !diff.text.contains("inf"))
        if value != -.infinity { try place.run("state", "fork", "bad", "copy").failed(1, "\(value)") }
      }
      #expect(!place.exists("copy"))
    }

    @Test func `ids that the model does not have are refused by their position`() throws {
      try place.makeModel("retnet", "model")
      func ids(_ ids: [Int], _ shape: [Int]) throws {
        var writer = SafetensorsWriter()
        writer.add("ids", ids, shape: shape)
        try writer.write(to: place("ids.safetensors"))
      }
      let score = ["score", "model", "--ids", "ids.safetensors", "--logits", "out.safetensors"]
      try ids([1, 2, 3, 4, 5, -1], [2, 3])
      try place.run(score).failed(1, "row 1, token 2", "found -1", "ids from 0 to 255")
      try ids([1, 256, 3, 4, 5, 6], [2, 3])
      try place.run(score).failed(1, "row 0, token 1", "found 256")
      try ids([1, 2, 3, 4, 5, 6], [2, 3])
      try place.run(score).succeeded()
      // What is there and is no file of logits stays.
      try place.write(Array("a note".utf8), to: "out.safetensors")
      try place.run(score).failed(1, "a file of logits", "--force")
      try place.run(score + ["--force"]).succeeded()
      try place.run(["score", "model", "--ids", "ids.safetensors", "--logits", "ids.safetensors"]).failed(
        1, "the input")

      // A corpus of another vocabulary.
      let small = try LanguageModel(
        ModelConfiguration(RetNet.self, vocabularySize: 100, width: 32, layers: 1), seed: 1)
      try ModelFolder.save(small, to: place("small"))
      let outcome = try place.run(
        "score", "small", "--corpus", "story.tokens.zst", "--split", "all", "--no-task")
      #expect(outcome.code == 1 && outcome.errors.contains("256 kinds of token"), "\(outcome.errors)")
    }

    @Test func `a signal that overflows its memory has no coefficients`() throws {
      for samples in ["1e308\n1e308\n-1e308\n", "1.7e308\n-1.7e308\n"] {
        for extra in [[], ["--reconstruct", "5"], ["--json"]] {
          let outcome = try place.run(
            ["hippo", "--size", "8", "--discretization", "forward-euler"] + extra, input: Array(samples.utf8))
          #expect(!outcome.text.contains("nan") && !outcome.text.contains("inf"), "\(outcome.text)")
          #expect(outcome.code == 0 || outcome.code == 1 && outcome.errors.contains("overflow"))
        }
      }
    }
  }
}
