/// `runnel convert`: a model there and back, in every precision.

import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite struct Convert {
    let place: Workplace
    init() throws { place = try Workplace() }

    private func trained(_ mixer: String = "mamba") throws -> String {
      let corpus = try place.makeCorpus()
      try place.run(Workplace.training(mixer, corpus: corpus, out: "run")).succeeded()
      return "run"
    }

    @Test(arguments: PackedElement.allCases)
    func `a recurrent model streams and is scored as its source`(element: PackedElement) throws {
      let run = try trained()
      let report = try place.run(
        "convert", run, "packed", "--to", "recurrent", "--dtype", element.rawValue, "--tokens", "300",
        "--json"
      ).succeeded().json()
      #expect(report["dtype"] as? String == element.rawValue && report["tokens"] as? Int == 300)
      let before = try #require(report["source_bits_per_byte"] as? Double)
      let after = try #require(report["bits_per_byte"] as? Double)
      #expect(abs(after - before) < 0.05 * before)
      let largest = try #require(report["max_logit_difference"] as? Double)
      let mean = try #require(report["mean_logit_difference"] as? Double)
      #expect(mean < largest && (element == .f32) == (largest < 1e-4), "\(largest)")
      func score(_ model: String, _ form: String) throws -> Double {
        let result = try place.run("score", model, "--form", form, "--json", input: Workplace.story)
          .succeeded()
        return try #require(result.json()["bits_per_byte"] as? Double)
      }
      for form in ["step", "mix"] {
        #expect(try abs(score("packed", form) / score(run, form) - 1) < (element == .f32 ? 1e-5 : 0.05))
      }
      let text = try place.run("generate", "packed", "--prompt", "The", "--max-tokens", "20").succeeded()
      #expect(text.output.count >= 10)
      try place.run("convert", "packed", "back", "--to", "parallel", "--tokens", "100").succeeded()
      try place.run("check", "back", "--tokens", "64").succeeded()
    }

    @Test(arguments: [("mamba2", "mamba2 of transformers"), ("rwkv6", "rwkv6 of flash-linear-attention")])
    func `a Hugging Face folder is a model with a tokenizer`(mixer: String, family: String) throws {
      let run = try trained(mixer)
      let result = try place.run(
        "convert", run, "written", "--to", "huggingface", "--tokens", "100", "--json")
      let report = try result.succeeded().json()
      #expect(result.errors.contains(family), "\(result.errors)")
      #expect(try #require(report["max_logit_difference"] as? Double) < 1e-4)
      for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        #expect(place.exists("written/" + file))
      }
      try place.run("check", "written", "--tokens", "64").succeeded()
      try place.run("convert", run, "x", "--to", "huggingface", "--dtype", "int8").failed(
        64, "--to recurrent")
    }

    @Test func `bad requests say what is wrong`() throws {
      let run = try trained()
      try place.run("convert", run, run, "--to", "recurrent").failed(1, "is the source")
      try place.run("convert", run, "x", "--to", "parallel", "--dtype", "int8").failed(64, "--to recurrent")
      try place.run("convert", "nowhere", "x", "--to", "parallel").failed(1, "nowhere")
      try place.run("convert", run, "x", "--to", "recurrent", "--text", "nowhere").failed(1, "nowhere")
      try place.run("convert", run, "x", "--to", "recurrent", "--tokens", "1").failed(64, "--tokens")
      #expect(!place.exists("x"))
    }
  }
}
