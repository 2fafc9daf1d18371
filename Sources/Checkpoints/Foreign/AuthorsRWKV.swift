/// RWKV in the authors' own files, `.pth` or converted: there is no configuration, the names and shapes say it all.
///
/// Version 4 has time_mix and no group norm; 5 has a group norm, 5.2 decays per channel; 6 has time_maa; 7 has x_r.

import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

struct AuthorsRWKV {
  static let embedding = "emb.weight"
  private let source: any TensorSource
  /// May say the norms' ε; otherwise empty.
  private let json: ForeignConfiguration
  private let V, D: Int

  init(_ source: any TensorSource, _ json: ForeignConfiguration) throws {
    (self.source, self.json) = (source, json)
    let shape = try Self.shape(Self.embedding, in: source, rank: 2)
    (V, D) = (shape[0], shape[1])
  }

  private static func shape(_ name: String, in source: any TensorSource, rank: Int) throws -> [Int] {
    guard source.contains(name) else {
      throw FileError(
        source.path, at: "tensors", expected: "a tensor \"\(name)\", as RWKV has it", found: "none",
        remedy: "name a file of RWKV-4, 5, 6 or 7")
    }
    let shape = try source.entry(name).shape
    guard shape.count == rank, shape.allSatisfy({ $0 > 0 }) else {
      throw FileError(
        source.path, at: "tensor \"\(name)\"", expected: "\(rank) axes", found: "\(shape)",
        remedy: "name a file of RWKV-4, 5, 6 or 7")
    }
    return shape
  }

  /// The shape of a matrix of the first layer.
  private func matrix(_ name: String) throws -> [Int] {
    try Self.shape("blocks.0." + name, in: source, rank: 2)
  }
  private func has(_ name: String) -> Bool { source.contains("blocks.0.att." + name) }

  /// The source with names as in the authors' files, without what training code put in front of them.
  static func named(_ source: any TensorSource) -> any TensorSource {
    guard !source.contains(embedding),
      let found = source.names.first(where: { $0.hasSuffix("." + embedding) })
    else { return source }
    return source.withoutPrefixes([String(found.dropLast(embedding.count))])
  }

  /// The tensors of a folder of this `model_type` under the authors' names; nil where they are another library's. Hugging
  /// Face's folders of RWKV-5 and 6, whose code comes with them, have names of their own.
  static func tensors(ofFolder source: any TensorSource, _ type: String) -> (any TensorSource)? {
    guard ["rwkv5", "rwkv6"].contains(type) else {
      return type == "rwkv" && source.contains(embedding) ? source : nil
    }
    let isBase = source.names.contains { $0.hasPrefix("blocks.0.attention.") }
    guard isBase || source.contains("rwkv.embeddings.weight") else { return type == "rwkv5" ? source : nil }
    let words = [
      "embeddings": "emb", "attention": "att", "feed_forward": "ffn", "pre_ln": "ln0",
      "time_mix_key": "time_mix_k",
      "time_mix_value": "time_mix_v", "time_mix_receptance": "time_mix_r", "time_mix_gate": "time_mix_g",
    ]
    return RenamedTensors(source) { name in
      guard isBase || name.hasPrefix("rwkv.") else { return name }
      return name.dropFirst(isBase ? 0 : 5).split(separator: ".").map { words[String($0)] ?? String($0) }
        .joined(separator: ".")
    }
  }

  /// BlinkDL's code divides by eight before a norm with ε = 10⁻⁵, from version 5 on. The code of version 5's folders
  /// does so in some of its editions only.
  private var groupNormEpsilon: Float {
    get throws {
      if json.contains("ln_x_eps") { return Float(try json.number("ln_x_eps")) }
      let divides = try json.contains("head_size_divisor") || json.text("model_type", default: "") != "rwkv5"
      guard divides else {
        throw json.error(
          "head_size_divisor", expected: "what the folder's own code divides the heads by",
          remedy: "add it to the file: 8 is the authors' function, 1 that of code without such a division")
      }
      let divisor = try json.number("head_size_divisor", default: 8)
      return Float(1e-5 * divisor * divisor)
    }
  }

  /// The heads of versions 5 and 6, from the tensors that have a row for each.
  private func heads(_ attention: Int) throws -> Int {
    for name in ["time_faaaa", "time_first", "time_decay"] where has(name) {
      let shape = try source.entry("blocks.0.att." + name).shape.filter { $0 != 1 }
      if let heads = shape.first, heads < attention, attention % heads == 0 { return heads }
    }
    return 1
  }

  private func mixer() throws -> MixerChoice {
    let attention = try matrix("att.key.weight")[0]
    if has("x_r") {
      let heads = try matrix("att.r_k")
      // The first layer has no mix of values.
      let valueRank =
        source.contains("blocks.1.att.v1") ? try Self.shape("blocks.1.att.v1", in: source, rank: 2)[1] : 1
      let own = try RWKV7.Configuration(width: D) {
        $0.heads = heads[0]
        $0.headWidth = heads[1]
        $0.decayRank = try matrix("att.w1")[1]
        $0.rateRank = try matrix("att.a1")[1]
        $0.valueRank = valueRank
        $0.gateRank = try matrix("att.g1")[1]
        $0.groupNormEpsilon = try groupNormEpsilon
        $0.startsTuned = startsTuned
      }
      return MixerChoice(RWKV7.self, own)
    }
    let heads = try heads(attention)
    if has("time_maa_x") {
      let own = try RWKV6.Configuration(width: D) {
        $0.heads = heads
        $0.keyWidth = attention / heads
        $0.valueWidth = try matrix("att.value.weight")[0] / heads
        $0.shareRank = try matrix("att.time_maa_w1")[1] / 5
        $0.decayRank = try matrix("att.time_decay_w1")[1]
        $0.groupNormEpsilon = try groupNormEpsilon
        $0.startsTuned = startsTuned
      }
      return MixerChoice(RWKV6.self, own)
    }
    if has("ln_x.weight"), has("time_decay") {
      // With one decay and a logarithm of the bonus for each head it is version 5.1; all others are 5.2, be it with
      // one number for all channels of a head.
      let isPerHead = try source.entry("blocks.0.att.time_decay").count == heads && has("time_first")
      let own = try RWKV5.Configuration(width: D) {
        $0.heads = heads
        $0.headWidth = attention / heads
        $0.hasGate = has("gate.weight")
        $0.decayPerChannel = !isPerHead
        $0.groupNormEpsilon = try groupNormEpsilon
        $0.startsTuned = startsTuned
      }
      return MixerChoice(RWKV5.self, own)
    }
    return MixerChoice(RWKV4.self, RWKV4.Configuration(width: D) { $0.attentionWidth = attention })
  }

  private var startsTuned: Bool? { has("time_state") ? true : nil }

  func model() throws -> ForeignModel {
    let layers = source.names.compactMap { name -> Int? in
      let words = name.split(separator: ".")
      return words.count > 2 && words[0] == "blocks" ? Int(words[1]) : nil
    }
    var configuration = ModelConfiguration(
      [try mixer()], vocabularySize: V, width: D, layers: (layers.max() ?? 0) + 1,
      tiesEmbedding: try json.flag("tie_word_embeddings", default: false),
      normEpsilon: Float(
        try json.number(json.agreed(["layer_norm_eps", "layer_norm_epsilon"]), default: 1e-5)),
      hiddenWidth: try matrix("ffn.key.weight")[0])
    // The last norm in folders of the library takes no other ε.
    if json.contains("layer_norm_epsilon") { configuration.lastNormEpsilon = 1e-5 }
    var names = ForeignNames(
      embedding: Self.embedding, embeddingNorm: "blocks.0.ln0", norm: "ln_out", head: "head.weight",
      layers: "blocks.", parts: ["norm": "ln1", "mixer": "att", "mlp_norm": "ln2", "mlp": "ffn"],
      // The first layer has no other's values to mix in; some files keep the parameters all the same.
      idle: Set(["v0", "v1", "v2"].map { "blocks.0.att." + $0 }))
    if let five = configuration.first(RWKV5.self), five.decayPerChannel {
      try spread("time_decay", over: five.heads, five.headWidth, in: &names)
      try spread("time_faaaa", over: five.heads, five.headWidth, in: &names)
    } else if let six = configuration.first(RWKV6.self) {
      try spread("time_faaaa", over: six.heads, six.keyWidth, in: &names)
    }
    // There S is [V K].
    names.changed["mixer.time_state"] = .pair(matricesTransposed, matricesTransposed)
    names.shaped["mixer.time_state"] = { [$0[0], $0[2], $0[1]] }
    return ForeignModel(configuration: configuration, names: names)
  }

  /// Reads a parameter [H K] where the file has one number for each head, or the logarithm of a bonus.
  private func spread(_ name: String, over H: Int, _ K: Int, in names: inout ForeignNames) throws {
    let isLogarithm = name == "time_faaaa" && !has(name) && has("time_first")
    let own = isLogarithm ? "time_first" : name
    guard has(own) else { return }
    let isPerHead = try source.entry("blocks.0.att." + own).count == H
    guard isLogarithm || isPerHead && K > 1 else { return }
    names.renamed["mixer." + name] = own
    if isPerHead { names.shaped["mixer." + name] = { _ in [H] } }
    names.changed["mixer." + name] = ForeignChange(
      read: { there in
        let numbers = isLogarithm ? activate(there, .exp) : there
        return isPerHead
          ? Tensor(numbers.scalars.flatMap { Array(repeating: $0, count: K) }, [H, K]) : numbers
      }, write: { $0[0] })
  }
}

/// The transposes of the matrices [H A B].
private func matricesTransposed(_ x: Tensor) -> Tensor {
  Tensor(
    (0..<x.shape[0]).flatMap { transposed(x.rows($0..<$0 + 1).reshaped([x.shape[1], x.shape[2]])).scalars },
    [x.shape[0], x.shape[2], x.shape[1]])
}
