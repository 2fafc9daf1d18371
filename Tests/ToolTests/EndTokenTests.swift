/// Where a model's texts end: at its end tokens, in every way of generating.

import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite("End tokens") struct EndTokens {
    let place: Workplace
    init() throws { place = try Workplace() }

    private struct Entry: Decodable, Equatable {
      let text: String
      let tokens: Int
      let ended_by: String
    }
    private func entries(_ outcome: Outcome) throws -> [Entry] {
      try outcome.text.split(separator: "\n").map {
        try JSONDecoder().decode(Entry.self, from: Data($0.utf8))
      }
    }

    /// A model of bytes whose sentences end with a full stop, and what it says without an end.
    private func model(_ mixer: String = "mamba") throws -> (name: String, whole: String) {
      let model = try place.makeModel(mixer, steps: 60)
      let whole = try entries(place.run(Self.generate(model)).succeeded())[0]
      try #require(whole.ended_by == "max_tokens" && whole.text.dropFirst().contains("o"))
      return (model, whole.text)
    }
    private static func generate(_ model: String) -> [String] {
      [
        "generate", model, "--prompt", "The old fox ran", "--max-tokens", "120", "--seed", "4",
        "--temperature", "0.3", "--json",
      ]
    }
    private func say(_ json: String, in file: String) throws {
      try place.write(json.utf8, to: "model/" + file)
    }

    /// A letter of the text that comes late in it, and what stands before its first place.
    private func end(of whole: String) throws -> (id: UInt8, before: String) {
      let bytes = Array(whole.utf8)
      var found: (id: UInt8, place: Int)?
      for (place, byte) in bytes.enumerated()
      where bytes.firstIndex(of: byte) == place && byte < 0x80 && place > 4 {
        found = (byte, place)
      }
      let end = try #require(found)
      return (end.id, String(decoding: bytes[..<end.place], as: UTF8.self))
    }

    @Test(
      "one id or several, of the file that counts",
      arguments: [
        [("generation_config.json", #"{"eos_token_id": ID}"#)],
        [("generation_config.json", #"{"eos_token_id": [300, ID]}"#)],
        [
          ("generation_config.json", #"{"bos_token_id": 1, "eos_token_id": ID}"#),
          ("config.json", #""eos_token_id": 32, "#),
        ],
        [
          ("generation_config.json", #"{"eos_token_id": null}"#), ("config.json", #""eos_token_id": [ID], "#),
        ],
        [("config.json", #""eos_token_id": ID, "#)],
      ])
    func sources(files: [(name: String, content: String)]) throws {
      let (model, whole) = try model()
      let (id, before) = try end(of: whole)
      for file in files {
        var content = file.content.replacingOccurrences(of: "ID", with: "\(id)")
        if file.name == "config.json" {
          let own = try place.unsealedText("model/config.json")
          content = "{" + content + own.dropFirst()
        }
        try say(content, in: file.name)
      }
      let ended = try entries(place.run(Self.generate(model)).succeeded())
      #expect(ended == [Entry(text: before, tokens: before.utf8.count + 1, ended_by: "end_token")])
      let ignoring = try entries(place.run(Self.generate(model) + ["--ignore-eos"]).succeeded())
      #expect(ignoring == [Entry(text: whole, tokens: 120, ended_by: "max_tokens")])
    }

    @Test("ids that are none are named; ids that no stream can draw end nothing") func faults() throws {
      let (model, whole) = try model()
      for bad in [#""two""#, "[1, null]", "2.5", "true"] {
        try say(#"{"eos_token_id": \#(bad)}"#, in: "generation_config.json")
        try place.run(Self.generate(model)).failed(1, "generation_config.json", "eos_token_id")
      }
      try say(#"{"eos_token_id": [-1, 70000]}"#, in: "generation_config.json")
      #expect(try entries(place.run(Self.generate(model)).succeeded())[0].text == whole)
    }

    @Test("streams side by side and prompts line by line end there too", arguments: ["mamba", "retnet"])
    func streams(mixer: String) throws {
      let (model, _) = try model(mixer)
      let many = [
        "generate", model, "--max-tokens", "60", "--seed", "4", "--streams", "3", "--json", "--temperature",
        "0.7",
      ]
      func check(_ arguments: [String], input: [UInt8] = []) throws {
        let free = try entries(place.run(arguments + ["--ignore-eos"], input: input).succeeded())
        try say(#"{"eos_token_id": [110, 120]}"#, in: "generation_config.json")
        let ended = try entries(place.run(arguments, input: input).succeeded())
        let cut = free.map { entry in
          guard let place = entry.text.utf8.firstIndex(where: { $0 == 110 || $0 == 120 }) else {
            return entry
          }
          let text = String(entry.text.utf8[..<place]) ?? ""
          return Entry(text: text, tokens: text.utf8.count + 1, ended_by: "end_token")
        }
        #expect(Set(ended.map { "\($0)" }) == Set(cut.map { "\($0)" }))
        #expect(ended.contains { $0.ended_by == "end_token" })
        try FileManager.default.removeItem(atPath: place("model/generation_config.json"))
      }
      try check(many + ["--prompt", "The old"])
      try check(many + ["--follow"], input: Array("The red fox\nThe old\nsaid\n".utf8))
    }

    @Test("an answer that ends with an end token is a line, and the talk goes on") func follow() throws {
      let (model, _) = try model()
      // Of "said hello.": an answer ends before a full stop.
      try say(#"{"eos_token_id": 46}"#, in: "generation_config.json")
      var talk = try Dialogue(
        place, ["generate", model, "--follow", "--temperature", "0", "--max-tokens", "200", "--json"])
      for _ in 0..<2 {
        try talk.write("The red fox ran past the\n")
        let entry = try talk.entry(Entry.self)
        #expect(!entry.text.contains(".") && !entry.text.contains("\n"))
      }
      #expect(try talk.end().errors.isEmpty)
    }

    @Test("a saved stream and a journal go on behind the end", arguments: ["--save-state", "--journal"])
    func goingOn(option: String) throws {
      let (model, whole) = try model()
      let (id, before) = try end(of: whole)
      try say(#"{"eos_token_id": \#(id)}"#, in: "generation_config.json")
      // The beginning of a stop string is held back while the text may go on, and given out when it has ended.
      let last = try #require(before.last)
      let first = try entries(
        place.run(Self.generate(model) + [option, "s", "--stop", "\(last)!!"]).succeeded())[0]
      #expect(first == Entry(text: before, tokens: before.utf8.count + 1, ended_by: "end_token"))
      var rest = [
        "generate", model, "--json", "--ignore-eos", "--temperature", "0.3", "--max-tokens",
        "\(120 - first.tokens)",
      ]
      rest += option == "--journal" ? ["--journal", "s"] : ["--load-state", "s"]
      let second = try entries(place.run(rest).succeeded())[0]
      #expect(before + String(decoding: [id], as: UTF8.self) + second.text == whole)
    }

    @Test("a corpus's token between documents ends what its models say, and begins it") func own() throws {
      let lines = (0..<400).map { "The \(["red", "old"][$0 % 2]) fox.\n" }.joined()
      try place.write(lines.utf8, to: "lines.txt")
      try place.run(
        "corpus", "build", "lines.tokens.zst", "lines.txt", "--documents", "line", "--append-token", "<0x00>"
      ).succeeded()
      try place.run(Workplace.training("mamba", corpus: "lines.tokens.zst", out: "model", steps: 80))
        .succeeded()
      let json = try JSONSerialization.jsonObject(with: Data(place.bytes(of: "model/generation_config.json")))
      #expect((json as? [String: Int]) == ["bos_token_id": 0, "eos_token_id": 0])
      let said = try entries(
        place.run("generate", "model", "--temperature", "0", "--json", "--max-tokens", "40").succeeded())[0]
      #expect(said.ended_by == "end_token" && said.text.hasPrefix("The ") && said.text.hasSuffix("fox."))
      // It goes along where the model goes.
      for form in ["parallel", "recurrent", "huggingface"] {
        try place.run("convert", "model", form, "--to", form).succeeded()
        let again = try entries(
          place.run("generate", form, "--temperature", "0", "--json", "--max-tokens", "40").succeeded())
        #expect(again == [said], "\(form)")
      }
      let foreign = try JSONSerialization.jsonObject(with: Data(place.bytes(of: "huggingface/config.json")))
      #expect((foreign as? [String: Any])?["bos_token_id"] as? Int == 0)
      #expect((foreign as? [String: Any])?["eos_token_id"] as? Int == 0)
      // A run that goes on keeps what its folder says by then.
      let own = try place.bytes(of: "model/generation_config.json")
      try say(#"{"eos_token_id": 46}"#, in: "generation_config.json")
      try place.run("train", "--corpus", "lines.tokens.zst", "--out", "model", "--resume", "--steps", "81")
        .succeeded()
      #expect(try place.bytes(of: "model/generation_config.json") == Array(#"{"eos_token_id": 46}"#.utf8))
      try place.write(own, to: "model/generation_config.json")
      // Lines that are empty begin a text, too.
      let prompts = try entries(
        place.run(
          "generate", "model", "--temperature", "0", "--json", "--follow", "--streams", "2", "--max-tokens",
          "40",
          input: Array("\nThe\n".utf8)
        ).succeeded())
      #expect(prompts[0] == said && prompts[1].ended_by == "end_token")
    }

    @Test("a model without a tokenizer that can be read keeps its end tokens in every form") func unread()
      throws
    {
      let (model, _) = try model()
      try say(#"{"bos_token_id": 3, "eos_token_id": [46, 110]}"#, in: "generation_config.json")
      try say(#"{"model": {"type": "Unigram"}}"#, in: "tokenizer.json")
      let own = try JSONSerialization.jsonObject(with: Data(place.bytes(of: "model/generation_config.json")))
      for form in ["parallel", "recurrent", "huggingface"] {
        try place.run("convert", model, form, "--to", form).succeeded()
        let kept = try JSONSerialization.jsonObject(
          with: Data(place.bytes(of: form + "/generation_config.json")))
        #expect(kept as? NSDictionary == own as? NSDictionary, "\(form)")
      }
      // A run on ids alone keeps them, too.
      let plain = ModelConfiguration(Mamba.self, vocabularySize: 300, width: 32, layers: 1)
      try ModelFolder.save(LanguageModel(plain, seed: 1), to: place("plain"))
      try place.write(place.bytes(of: "model/generation_config.json"), to: "plain/generation_config.json")
      try place.write([UInt8](repeating: 1, count: 800), to: "ids.bin")
      try place.run("corpus", "import", "ids", "ids.bin", "--vocabulary", "300").succeeded()
      try place.run(
        "train", "--corpus", "ids", "--from", "plain", "--out", "run", "--steps", "1", "--batch", "1",
        "--segment", "32"
      ).succeeded()
      let trained = try JSONSerialization.jsonObject(
        with: Data(place.bytes(of: "run/generation_config.json")))
      #expect(trained as? NSDictionary == own as? NSDictionary)
      // What cannot be read is told before anything is written.
      try say("{", in: "generation_config.json")
      try place.run("convert", model, "none", "--to", "parallel").failed(
        1, "generation_config.json", logs: true)
      #expect(!FileManager.default.fileExists(atPath: place("none")))
    }

    @Test(
      "without a token for the beginning an empty prompt is refused, and without an end there must be one")
    func noMarks() throws {
      let (model, _) = try model()
      try place.run("generate", model).failed(1, "the prompt is empty")
      let endless = [
        "generate", model, "--prompt", "The", "--max-tokens", "0", "--json", "--temperature", "0",
      ]
      try place.run(endless).failed(64, "--max-tokens 0 never ends")
      try place.run("generate", model, "--streams", "2", "--max-tokens", "0").failed(64, "--streams")
      try say(#"{"eos_token_id": 46}"#, in: "generation_config.json")
      #expect(try entries(place.run(endless).succeeded())[0].ended_by == "end_token")
      try place.run(endless + ["--ignore-eos"]).failed(64, "--max-tokens 0 never ends")
    }
  }
}
