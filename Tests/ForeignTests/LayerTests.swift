import Foundation
import RunnelMixers
import RunnelModels
import RunnelTensors
import Testing

@Suite("a layer that another library has no model of gives its authors' outputs")
struct LayerTests {
  /// flash-linear-attention's layer stands in that library's model around GLA.
  @Test("simple GLA, in all forms", arguments: ["simple-gla-plain", "simple-gla-bare"])
  func simpleGLA(name: String) throws {
    let golden = try GoldenCase.named(name)
    let json = try #require(JSONSerialization.jsonObject(with: golden.configuration) as? [String: Any])
    func number(_ key: String) throws -> Double { try #require((json[key] as? NSNumber)?.doubleValue) }
    func count(_ key: String) throws -> Int { Int(try number(key)) }
    let (D, H) = (try count("hidden_size"), try count("num_heads"))
    let mixer = try SimpleGLA.Configuration(width: D) {
      $0.heads = H
      $0.keyWidth = Int(Double(D) * (try number("expand_k"))) / H
      $0.valueWidth = Int(Double(D) * (try number("expand_v"))) / H
      $0.convolutionWidth = json["use_short_conv"] as? Bool == true ? try count("conv_size") : 0
      $0.temperature = Float(try number("gate_logit_normalizer"))
      $0.normEpsilon = Float(try number("norm_eps"))
    }
    let configuration = ModelConfiguration(
      [MixerChoice(SimpleGLA.self, mixer)], vocabularySize: golden.vocabulary, width: D,
      layers: try count("num_hidden_layers"), tiesEmbedding: json["tie_word_embeddings"] as? Bool == true,
      normEpsilon: mixer.normEpsilon, hiddenWidth: try count("intermediate_size"))

    let words = [
      "model.layers.": "layers.", "model.norm": "norm", "model.embeddings": "embedding", "lm_head": "head",
      ".attn_norm.": ".norm.", ".attn.": ".mixer.", "g_norm_swish_gate": "g_norm", ".gate_proj": ".gate",
      ".up_proj": ".up", ".down_proj": ".down",
    ]
    let tensors = Dictionary(
      uniqueKeysWithValues: golden.tensors.map { name, value in
        (words.reduce(name) { $0.replacing($1.key, with: $1.value) }, value)
      })
    let fresh = try LanguageModel(configuration, seed: 0)
    try #require(Set(fresh.parameters.map(\.name)) == Set(tensors.keys))
    golden.check(try fresh.replacingParameters { try #require(tensors[$0.name]).reshaped($0.value.shape) })
  }
}
