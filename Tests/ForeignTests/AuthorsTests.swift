import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelTensors
import Testing

@Suite("the authors' own files are their models")
struct AuthorsTests {
  @Test("RWKV: bonuses for a head, logarithms, tuned states", arguments: GoldenCase.authors.map(\.name))
  func rwkv(name: String) throws {
    let golden = try GoldenCase.named(name)
    let plain = try golden.load(configuration: golden.configuration([:]))
    golden.check(plain)
    try withFolder { folder in
      for prefix in ["module.", "module.module.", "_forward_module.", "model.rwkv."] {
        try golden.write(to: folder) { $0.map { (prefix + $0.name, $0.value) } }
        let file = try ModelFolder.load(folder + "/model.safetensors")
        #expect(
          file.configuration == plain.configuration && file.fingerprint == plain.fingerprint, "\(prefix)")
      }
    }
  }

  /// The names in the Hugging Face folders of RWKV-5 and 6.
  private static func folderName(_ name: String) -> String {
    guard name != "head.weight" else { return name }
    let words = ["emb": "embeddings", "att": "attention", "ffn": "feed_forward", "ln0": "pre_ln"]
    let mixes = ["k": "key", "v": "value", "r": "receptance", "g": "gate"]
    let parts = name.split(separator: ".").map { part in
      part.hasPrefix("time_mix_")
        ? "time_mix_" + (mixes[String(part.last ?? " ")] ?? "") : words[String(part)] ?? String(part)
    }
    return "rwkv." + parts.joined(separator: ".")
  }

  @Test(
    "RWKV-5 and 6 in folders with their own code", arguments: ["rwkv5-tuned", "rwkv6-untuned", "rwkv6-tuned"])
  func folders(name: String) throws {
    let golden = try GoldenCase.named(name)
    let type = String(name.prefix(5))
    var fields = [
      "model_type": "\"\(type)\"", "hidden_size": "32", "head_size_divisor": "8",
      "layer_norm_epsilon": "1e-05",
      "rescale_every": "6", "intermediate_size": "null",
      "auto_map": "{\"AutoConfig\": \"configuration.Own\"}",
    ]
    func load() throws -> StreamingModel {
      try golden.load(configuration: golden.configuration(fields, leavingOut: true)) {
        $0.map { (Self.folderName($0.name), $0.value) }
      }
    }
    golden.check(try load())
    fields["head_size_divisor"] = ""
    if type == "rwkv6" {
      golden.check(try load())
    } else {
      // Its editions do not agree.
      let error = #expect(throws: FileError.self) { try load() }
      #expect(error?.place == "field \"head_size_divisor\"", "\(String(describing: error))")
    }
  }

  @Test(
    "a document that starts inside a segment starts from the tuned state",
    arguments: ["rwkv5-tuned", "rwkv6-tuned"])
  func resets(name: String) throws {
    let golden = try GoldenCase.named(name)
    let model = try golden.load(configuration: golden.configuration([:]))
    let (cuts, T) = ([0, 1, 70, 130], 200)
    let ids = Array(golden.ids.prefix(2 * T))
    let documents = zip(cuts, cuts.dropFirst() + [T]).map { $0..<$1 }
    let D = model.width
    for form in Form.allCases {
      var state = model.initialState(batch: 2)
      let packed = model.hidden(
        ids, batch: 2, form: form, resets: Resets(rows: [cuts, []]), state: &state
      ).scalars
      for document in documents {
        var own = model.initialState(batch: 1)
        let alone = model.hidden(
          Array(ids[document]), batch: 1, form: form, resets: .none, state: &own
        ).scalars
        Self.expectClose(
          packed[document.lowerBound * D..<document.upperBound * D], alone, "\(form), \(document)")
      }
      var other = model.initialState(batch: 1)
      let row = model.hidden(Array(ids[T...]), batch: 1, form: form, resets: .none, state: &other).scalars
      Self.expectClose(packed[(T * D)...], row, "\(form), the other row")
    }
  }

  /// Products of more rows may be summed in another order.
  private static func expectClose(_ a: ArraySlice<Float>, _ b: [Float], _ note: String) {
    let difference = zip(a, b).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    let error = (difference / b.reduce(0.0) { $0 + pow(Double($1), 2) }).squareRoot()
    #expect(a.count == b.count && error <= 1e-6, "\(note): \(error)")
  }

  @Test("no library has a word for a tuned state")
  func exportOfTuned() throws {
    let golden = try GoldenCase.named("rwkv6-tuned")
    let model = try golden.load(configuration: golden.configuration([:]))
    try withFolder { folder in
      let error = #expect(throws: ForeignWritingError.self) {
        try ModelFolder.saveForeign(model, to: folder + "/written")
      }
      #expect(error?.description.contains("starts_tuned") == true, "\(String(describing: error))")
      // Ours has.
      try ModelFolder.save(model, to: folder + "/own")
      #expect(try ModelFolder.load(folder + "/own").fingerprint == model.fingerprint)
    }
  }

  /// Golden cases of ε = 10⁻⁵, and what mamba_ssm's configuration says of them.
  private static let mamba: [(name: String, fields: [String: String])] = [
    (
      "mamba-tied",
      [
        "d_model": "48", "n_layer": "3", "vocab_size": "61",
        "ssm_cfg": #"{"d_state": 8, "use_fast_path": true}"#,
      ]
    ),
    (
      "mamba2-one-group",
      [
        "d_model": "48", "n_layer": "2", "vocab_size": "60", "tie_embeddings": "false", "d_intermediate": "0",
        "ssm_cfg": #"{"layer": "Mamba2", "headdim": 16, "d_state": 16, "chunk_size": 64}"#, "attn_cfg": "{}",
        "attn_layer_idx": "[]", "rms_norm": "true", "fused_add_norm": "true",
      ]
    ),
  ]

  /// What `torch.save` or safetensors hold of mamba_ssm's models.
  private static func authorsNames(_ tensors: [(name: String, value: Tensor)]) -> [(
    name: String, value: Tensor
  )] {
    tensors.map { ($0.name.replacing("backbone.embeddings.", with: "backbone.embedding."), $0.value) }
  }

  @Test("mamba_ssm's folders, with rows of the embedding up to a multiple", arguments: mamba.indices)
  func mambaSSM(index: Int) throws {
    let (name, fields) = Self.mamba[index]
    let golden = try GoldenCase.named(name)
    let padding = name == "mamba-tied" ? "1" : "61"
    let text = try golden.configuration(
      fields.merging(["pad_vocab_size_multiple": padding]) { $1 }, leavingOut: true)
    golden.check(try golden.load(configuration: text, changing: Self.authorsNames))
    // Layer norms have a bias.
    let layered = try golden.configuration(
      fields.merging(["pad_vocab_size_multiple": padding, "rms_norm": "false"]) { $1 }, leavingOut: true)
    let error = #expect(throws: FileError.self) {
      try golden.load(configuration: layered, changing: Self.authorsNames)
    }
    #expect(error?.expected.contains("norm.bias") == true, "\(String(describing: error))")
  }

  @Test(
    "what mamba_ssm has and we have not is refused by its key",
    arguments: [
      ("attn_layer_idx", "[1]"), ("attn_cfg", #"{"num_heads": 4}"#), ("d_intermediate", "8"),
      ("ssm_cfg", #"{"layer": "Mamba3"}"#), ("ssm_cfg", #"{"d_ssm": 8}"#),
      ("ssm_cfg", #"{"dt_softmax": true}"#),
    ])
  func refusals(key: String, value: String) throws {
    let golden = try GoldenCase.named("mamba-tied")
    let text = try golden.configuration(
      Self.mamba[0].fields.merging(["pad_vocab_size_multiple": "1", key: value]) { $1 }, leavingOut: true)
    let error = #expect(throws: FileError.self) {
      try golden.load(configuration: text, changing: Self.authorsNames)
    }
    let place = key == "ssm_cfg" ? value.split(separator: "\"")[1].description : key
    #expect(error?.place == "field \"\(place)\"", "\(String(describing: error))")
  }

  @Test("Codestral's params.json")
  func codestral() throws {
    let configuration = ModelConfiguration(
      [
        MixerChoice(
          Mamba2.self,
          Mamba2.Configuration(width: 64) {
            ($0.heads, $0.headWidth, $0.groups, $0.stateSize) = (2, 64, 2, 128)
          })
      ],
      vocabularySize: 40, width: 64, layers: 2, tiesEmbedding: false)
    let model = try LanguageModel(configuration, seed: 5)
    try withFolder { folder in
      try ModelFolder.saveForeign(model, to: folder + "/hf")
      let source = try openTensors(at: folder + "/hf")
      var writer = SafetensorsWriter(metadata: [:])
      for name in source.names {
        let own = "model." + name.replacing("backbone.embeddings.", with: "backbone.embedding.")
        writer.add(own, try source.tensor(name), as: .float32)
      }
      try ModelFolder.makeFolder(folder + "/mistral")
      try writer.write(to: folder + "/mistral/consolidated.safetensors")
      func load(_ parameters: String) throws -> StreamingModel {
        try AtomicFile.write(Array(parameters.utf8), to: folder + "/mistral/params.json")
        return try ModelFolder.load(folder + "/mistral")
      }
      let own = try load(
        """
        {"dim": 64, "n_layers": 2, "vocab_size": 34, "n_groups": 2, "fused_add_norm": true, "rms_norm": true,
         "residual_in_fp32": true, "tie_embeddings": false, "model_type": "mamba"}
        """)
      #expect(own.configuration == configuration && own.fingerprint == model.fingerprint)
      let transformer = #expect(throws: FileError.self) {
        try load(#"{"dim": 64, "n_layers": 2, "vocab_size": 40, "n_heads": 4, "n_kv_heads": 2}"#)
      }
      #expect(transformer?.place == "field \"model_type\"", "\(String(describing: transformer))")
    }
  }
}
