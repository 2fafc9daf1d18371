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

    @Test(arguments: ["huggingface", "parallel", "recurrent"])
    func `the templates of conversations stay with a model, wherever its folder keeps them`(form: String)
      throws
    {
      let run = try trained("mamba2")
      let template = "{% for m in messages %}<|\u{e9}|>\n{{ m.content }}{% endfor %}"
      func texts(_ folder: String) -> [String?] {
        ["chat_template.jinja", "additional_chat_templates/tool_use.jinja"].map { name in
          (try? place.bytes(of: "\(folder)/\(name)")).map { String(decoding: $0, as: UTF8.self) }
        }
      }
      func convert(_ source: String, _ target: String) throws {
        try place.run("convert", source, target, "--to", form, "--tokens", "32").succeeded()
      }
      try place.run("convert", run, "hf", "--to", "huggingface", "--tokens", "32").succeeded()
      #expect(texts("hf") == [nil, nil])
      func configure(_ value: Any) throws {
        let data = try JSONSerialization.data(withJSONObject: [
          "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": value,
        ])
        try place.write(data, to: "hf/tokenizer_config.json")
      }
      try configure(template)
      try convert("hf", "a")
      #expect(texts("a") == [template, nil])
      try configure([["name": "default", "template": template], ["name": "tool_use", "template": "tools"]])
      try convert("hf", "b")
      #expect(texts("b") == [template, "tools"])
      // A file of its own counts more.
      try place.write("own".utf8, to: "hf/chat_template.jinja")
      try convert("hf", "c")
      #expect(texts("c") == ["own", "tools"])
      try convert("c", "d")
      #expect(texts("d") == ["own", "tools"])
      try place.run("corpus", "build", "d.tokens.zst", "story.txt", "--tokenizer", "d").succeeded()
      try place.run(
        "train", "--from", "d", "--corpus", "d.tokens.zst", "--out", "next", "--steps", "1", "--segment", "32"
      ).succeeded()
      #expect(texts("next") == ["own", "tools"])
      // Those of an earlier model do not stay.
      try convert(run, "d")
      #expect(texts("d") == [nil, nil])
      try configure([["name": "../up", "template": template]])
      try place.run("convert", "hf", "e", "--to", form, "--tokens", "32").failed(1, "chat_template")
      #expect(!place.exists("e"))
    }

    @Test func `no model, and nothing else that cannot be made again, is replaced by a conversion`() throws {
      let run = try trained()
      try place.copy(run, to: "other")
      try FileManager.default.removeItem(atPath: place("other/optimizer.safetensors"))
      try place.write(Array("a note".utf8), to: "note.txt")
      try FileManager.default.createDirectory(atPath: place("letters"), withIntermediateDirectories: true)
      try place.write(Array("a letter".utf8), to: "letters/one.txt")
      let other = try place.bytes(of: "other/model.safetensors")
      for (target, word) in [
        (run, "the input"), ("./\(run)/", "the input"), ("other", "--force"), ("letters", "--force"),
        ("note.txt", "--force"),
      ] {
        for form in ["recurrent", "parallel", "huggingface"] {
          try place.run("convert", "run", target, "--to", form, "--tokens", "32").failed(1, word)
        }
      }
      #expect(try place.bytes(of: "other/model.safetensors") == other && !place.exists("letters/config.json"))
      // What a conversion has made can be made again, in any form.
      for form in ["recurrent", "parallel", "huggingface", "recurrent"] {
        try place.run("convert", run, "made", "--to", form, "--tokens", "32").succeeded()
      }
      try place.run("convert", run, "other", "--to", "recurrent", "--tokens", "32", "--force").succeeded()
      #expect(try place.bytes(of: "other/model.safetensors") != other)
    }

    @Test func `no tokenizer of an earlier conversion stays beside a model that has another, or none`() throws
    {
      let run = try trained()
      func convert(_ source: String, _ form: String, _ options: String...) throws -> Outcome {
        try place.run(["convert", source, "made", "--to", form, "--tokens", "32"] + options)
      }
      // For transformers bytes are a tokenizer.json; here they are no file.
      try convert(run, "huggingface").succeeded()
      #expect(place.exists("made/tokenizer.json") && place.exists("made/tokenizer_config.json"))
      try convert(run, "parallel").succeeded()
      #expect(!place.exists("made/tokenizer.json") && !place.exists("made/tokenizer_config.json"))

      try place.copy(run, to: "unread")
      try place.write(#"{"model": {"type": "Unigram"}}"#.utf8, to: "unread/tokenizer.json")
      try convert(run, "huggingface").succeeded()
      let own = try place.bytes(of: "made/tokenizer.json")
      try convert("unread", "recurrent").failed(1, "made", "tokenizer.json", "--tokenizer", "--force")
      #expect(try place.bytes(of: "made/tokenizer.json") == own)
      // Nobody knows the bytes of its tokens.
      let words = try convert("unread", "recurrent", "--force").succeeded().text
      #expect(words.contains("nats per token before") && !words.contains("bits per byte"), "\(words)")
      #expect(!place.exists("made/tokenizer.json") && !place.exists("made/tokenizer_config.json"))
      // In its own place a model keeps what lies beside it, and the weights may be a link, as in a cache of downloads.
      try FileManager.default.moveItem(atPath: place("unread/model.safetensors"), toPath: place("blob"))
      try FileManager.default.createSymbolicLink(
        atPath: place("unread/model.safetensors"), withDestinationPath: "../blob")
      let report = try place.run(
        "convert", "unread", "unread", "--to", "parallel", "--tokens", "32", "--force", "--json"
      ).succeeded().json()
      #expect(place.exists("unread/tokenizer.json"))
      #expect(report["bytes"] as? Int == (try place.bytes(of: "unread/model.safetensors").count))
    }

    @Test func `two conversions do not share a folder, and none takes that of a trainer`() throws {
      let run = try trained()
      try place.run("convert", run, "made", "--to", "parallel", "--tokens", "32").succeeded()
      let own = try place.bytes(of: "made/model.safetensors")
      do {
        let lock = try FileLock(place("made"))
        try place.run("convert", run, "made", "--to", "recurrent", "--tokens", "32", "--force")
          .failed(1, "made", "only writer")
        #expect(try place.bytes(of: "made/model.safetensors") == own)
        withExtendedLifetime(lock) {}
      }
      try place.run("convert", run, "made", "--to", "recurrent", "--tokens", "32").succeeded()
      #expect(try place.bytes(of: "made/model.safetensors") != own)
      // What has no form there leaves nothing.
      let other = try place.makeModel("s4d", steps: 1)
      try place.run("convert", other, "none", "--to", "huggingface", "--tokens", "32").failed(1, "no family")
      #expect(!place.exists("none"))
    }

    @Test func `int4 keeps the matrices that it would spoil, and says which`() throws {
      let run = try trained("retnet"), loud = "layers.1.mixer.o_proj.weight"
      var generator = SeededGenerator(seed: 3)
      let model = try ModelFolder.load(place(run)).trainable().replacingParameters { parameter in
        guard parameter.name == loud else { return parameter.value }
        var value = parameter.value
        for i in stride(from: 7, to: value.count, by: 32) { value[i] *= 30 + Float(generator.uniform()) }
        return value
      }
      try ModelFolder.save(model, to: place("loud"))
      try place.write(Workplace.story, to: "text")
      func convert(_ name: String, _ options: String...) throws -> (
        loss: Double, lost: Double, matrices: [String: String]
      ) {
        let arguments = ["convert", "loud", name, "--to", "recurrent", "--dtype", "int4", "--tokens", "400"]
        let report = try place.run(arguments + ["--text", "text", "--json", "--force"] + options).succeeded()
          .json()
        return (
          try #require(report["source_loss"] as? Double),
          try #require(report["mean_kl_divergence"] as? Double),
          try #require(report["matrices"] as? [String: String])
        )
      }
      let uniform = try convert("uniform", "--uniform")
      #expect(Set(uniform.matrices.values) == ["int4"] && uniform.lost > 0)
      // A third of what rounding all of them costs.
      let limit = "\(100 * uniform.lost / uniform.loss / 3)"
      let chosen = try convert("chosen", "--loss-limit", limit)
      #expect(Set(chosen.matrices.values).isSuperset(of: ["int4", "int8"]) && chosen.lost < uniform.lost / 2)
      #expect(chosen.matrices.count == uniform.matrices.count)
      let text = try place.run(
        "convert", "loud", "chosen", "--to", "recurrent", "--dtype", "int4", "--tokens", "400", "--text",
        "text",
        "--loss-limit", limit
      ).succeeded().text
      for (name, element) in chosen.matrices where element != "int4" {
        #expect(
          text.split(separator: "\n").contains { $0.hasPrefix("in \(element): ") && $0.contains(name) },
          "\(text)")
      }
      try place.run("generate", "chosen", "--prompt", "The", "--max-tokens", "9").succeeded()
      try place.run("check", "chosen", "--tokens", "64").succeeded()
    }

    @Test func `bad requests say what is wrong`() throws {
      let run = try trained()
      try place.run("convert", run, "x", "--to", "recurrent", "--uniform").failed(64, "--dtype int8")
      try place.run(
        "convert", run, "x", "--to", "recurrent", "--dtype", "int4", "--uniform", "--loss-limit", "1"
      ).failed(64, "not both")
      try place.run("convert", run, "x", "--to", "parallel", "--dtype", "int8").failed(64, "--to recurrent")
      try place.run("convert", "nowhere", "x", "--to", "parallel").failed(1, "nowhere")
      try place.run("convert", run, "x", "--to", "recurrent", "--text", "nowhere").failed(1, "nowhere")
      try place.run("convert", run, "x", "--to", "recurrent", "--text", run).failed(1, run, "is a folder")
      try place.run("convert", run, "x", "--to", "recurrent", "--tokens", "1").failed(64, "--tokens")
      #expect(!place.exists("x"))
    }
  }
}
