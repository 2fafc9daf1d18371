import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelModels
import RunnelRecurrences
import RunnelTensors
import Testing

@Suite("a foreign model gives its authors' logits")
struct GoldenTests {
  @Test("all forms, at sampled places", arguments: GoldenCase.all.map(\.name))
  func logits(name: String) throws {
    let golden = try #require(GoldenCase.all.first { $0.name == name })
    try withFolder { folder in
      try golden.write(to: folder)
      golden.check(try ModelFolder.load(folder))
    }
  }

  @Test("every family has its cases", arguments: ForeignFamily.all.map(\.modelType))
  func families(modelType: String) {
    // The folders of RWKV-5 have the authors' tensors under other names.
    let own = modelType == "rwkv5" ? GoldenCase.authors : GoldenCase.all.filter { $0.modelType == modelType }
    #expect(!own.isEmpty)
  }

  private static func logits(_ model: some LanguageFunction, _ golden: GoldenCase) -> [Float] {
    var state = model.initialState(batch: golden.batch)
    return model.logits(golden.ids, batch: golden.batch, form: .mix, state: &state).scalars
  }

  @Test("shards with an index, in 32 and in 16 bits", arguments: [ElementType.float32, .bfloat16])
  func shards(type: ElementType) throws {
    for name in ["mamba2-one-group", "gla-plain", "rwkv7-plain"] {
      let golden = try #require(GoldenCase.all.first { $0.name == name })
      try withFolder { folder in
        try golden.write(to: folder, as: type, shards: 3)
        let logits = Self.logits(try ModelFolder.load(folder), golden)
        let norm = logits.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot()
        #expect(abs(norm - golden.norm) < 0.05 * golden.norm, "\(name): \(norm)")
      }
    }
  }

  @Test(
    "a missing, strange or misshapen parameter is named",
    arguments: ["gla-plain", "rwkv6-plain", "mamba-tied"])
  func parameters(name: String) throws {
    let golden = try #require(GoldenCase.all.first { $0.name == name })
    func refusal(_ change: ([(name: String, value: Tensor)]) -> [(name: String, value: Tensor)]) throws
      -> String
    {
      try withFolder { folder in
        try golden.write(to: folder, changing: change)
        do {
          _ = try ModelFolder.load(folder)
          return "no error"
        } catch { return "\(error)" }
      }
    }
    for victim in golden.tensors.map(\.name) {
      let missing = try refusal { $0.filter { $0.name != victim } }
      #expect(missing.contains("\"\(victim)\""), "\(missing)")
      let misshapen = try refusal {
        $0.map { ($0.name, $0.name == victim ? Tensor(zeros: [$0.value.count + 1]) : $0.value) }
      }
      #expect(misshapen.contains("\"\(victim)\"") && misshapen.contains("shape"), "\(misshapen)")
    }
    let strange = try refusal { $0 + [("model.layers.0.attn.w_proj.weight", Tensor(zeros: [3]))] }
    #expect(strange.contains("\"model.layers.0.attn.w_proj.weight\""), "\(strange)")
  }

  @Test(
    "what is not built is refused by its field",
    arguments: [
      (#""attn": null"#, #""attn": {"layers": [1]}"#, "attn"),
      (#""model_type": "gla""#, #""model_type": "hyena""#, "model_type"),
      (#""hidden_act": "swish""#, #""hidden_act": "gelu""#, "hidden_act"),
      (#""num_heads": 4"#, #""num_heads": 5"#, "expand_k"),
      (#""num_heads": 4"#, #""num_heads": "four""#, "num_heads"),
    ])
  func fields(old: String, new: String, field: String) throws {
    let golden = try #require(GoldenCase.all.first { $0.name == "gla-plain" })
    try withFolder { folder in
      try golden.write(to: folder)
      let path = folder + "/config.json"
      let object = try JSONSerialization.jsonObject(with: golden.configuration)
      let json = String(
        decoding: try JSONSerialization.data(withJSONObject: object, options: .prettyPrinted), as: UTF8.self
      ).replacing(" : ", with: ": ")
      #expect(json.contains(old))
      try json.replacing(old, with: new).write(toFile: path, atomically: false, encoding: .utf8)
      let error = #expect(throws: FileError.self) { try ModelFolder.load(folder) }
      #expect(
        "\(error.map(String.init(describing:)) ?? "")".contains("\"\(field)\""),
        "\(String(describing: error))")
    }
  }
}
