/// A run that begins with the weights of a model.

import Foundation
import Testing

extension ToolTests {
  @Suite("train --from") struct From {
    let place: Workplace
    init() throws { place = try Workplace() }

    private func from(_ model: String, out: String, _ options: String..., corpus: String = "story.tokens.zst")
      -> [String]
    {
      ["train", "--from", model, "--corpus", corpus, "--out", out, "--threads", "1", "--json"] + options
    }

    private func validationLoss(_ model: String) throws -> Double {
      let score = try place.run("score", model, "--corpus", "story.tokens.zst", "--json").succeeded().json()
      return try #require(score["loss"] as? Double)
    }

    @Test(arguments: ["mamba", "mamba,attention"])
    func `it starts where the model stands, goes on, and is a run like any other`(mixer: String) throws {
      let model = try place.makeModel(mixer, steps: 30)
      let loss = try validationLoss(model)
      #expect(loss < 4)
      // A rate of next to nothing leaves the weights where they are.
      let still = try place.run(
        from(model, out: "still", "--steps", "1", "--learning-rate", "1e-12")
      ).succeeded().json()
      #expect(abs(try validationLoss("still") - loss) < 1e-5)
      // Random weights would start near log 256.
      #expect(try #require(still["loss"] as? Double) < 4)

      try place.run(from(model, out: "a", "--steps", "20")).succeeded()
      try place.run(from(model, out: "b", "--steps", "20")).succeeded()
      let weights = try place.bytes(of: "a/model.safetensors")
      #expect(try weights == place.bytes(of: "b/model.safetensors"))
      #expect(try weights != place.bytes(of: "model/model.safetensors"))
      #expect(try validationLoss("a") < loss)

      try place.run("train", "--out", "a", "--resume", "--steps", "25", "--threads", "1").succeeded()
      let info = try place.run("info", "a", "--json").succeeded().json()
      let run = try #require(info["run"] as? [String: Any])
      #expect(run["steps"] as? Int == 25)
      #expect((run["settings"] as? [String: Any])?["from"] as? String == model)
      #expect(try place.run("info", "a").succeeded().text.contains("began with"))
    }

    @Test func `a model in its recurrent form is a beginning, with the numbers that its weights stand for`()
      throws
    {
      let model = try place.makeModel("mamba", steps: 30)
      try place.run("convert", model, "packed", "--to", "recurrent", "--dtype", "int8", "--tokens", "50")
        .succeeded()
      try place.run("convert", "packed", "numbers", "--to", "parallel", "--tokens", "50").succeeded()
      for from in ["packed", "numbers"] {
        try place.run(self.from(from, out: from + "-run", "--steps", "3")).succeeded()
      }
      let weights = try place.bytes(of: "packed-run/model.safetensors")
      #expect(try weights == place.bytes(of: "numbers-run/model.safetensors"))
    }

    @Test func `a folder of another library is a beginning too`() throws {
      _ = try place.makeCorpus()
      try place.makeForeignModel("folder")
      let before = try validationLoss("folder")
      try place.run(from("folder", out: "run", "--steps", "30", "--learning-rate", "0.01")).succeeded()
      #expect(try validationLoss("run") < before - 0.5)
      let config = String(decoding: try place.bytes(of: "run/config.json"), as: UTF8.self)
      #expect(config.contains("\"mixer\" : \"mamba\""))
    }

    @Test func `what does not fit is refused in one line`() throws {
      let model = try place.makeModel("retnet", steps: 2)
      for option in [
        ["--mixer", "mamba"], ["--width", "32"], ["--size", "1m"], ["--heads", "2"], ["--set", "heads=2"],
        ["--layers", "1"],
      ] {
        try place.run(from(model, out: "x") + option).failed(64, "architecture", option[0])
      }
      try place.run(from(model, out: "model", "--resume")).failed(64, "--from", "--resume")
      try place.run(from("none", out: "x")).failed(1, "none")
      try place.makeForeignModel("folder")
      try place.run(from("folder", out: "./folder/")).failed(1, "would be lost")

      try place.run("tokenizer", "train", "t.json", "story.txt", "--vocabulary", "300").succeeded()
      try place.run("tokenizer", "train", "u.json", "story.txt", "--vocabulary", "290").succeeded()
      for name in ["t", "u"] {
        try place.run("corpus", "build", name + ".tokens.zst", "story.txt", "--tokenizer", name + ".json")
          .succeeded()
      }
      try place.run(from(model, out: "x", corpus: "t.tokens.zst")).failed(1, "300", "256", "--tokenizer")
      try place.run(Workplace.training("retnet", corpus: "t.tokens.zst", out: "words", steps: 2)).succeeded()
      try place.run(from("words", out: "x")).failed(1, "bytes", "tokenizer.json")
      try place.run(from("words", out: "x", corpus: "u.tokens.zst")).failed(1, "u.json", "sha256")
      #expect(!place.exists("x"))
      try place.run(from("words", out: "y", "--steps", "1", corpus: "t.tokens.zst")).succeeded()
    }
  }
}
