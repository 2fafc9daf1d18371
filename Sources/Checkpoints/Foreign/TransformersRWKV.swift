/// transformers' `rwkv`, which is RWKV-4.

import RunnelMixers
import RunnelModels

extension ForeignFamily {
  static let rwkv = ForeignFamily(
    "rwkv", of: "transformers",
    ForeignForm(
      architecture: "RwkvForCausalLM",
      mixers: [
        ForeignMixer(RWKV4.self, [.count("attention_hidden_size", \.attentionWidth, orNull: \.width)])
      ],
      model: .common() + [
        .count("intermediate_size", \.hiddenWidth, orNull: { 4 * $0.width }),
        .decimal("layer_norm_epsilon", \.normEpsilon, default: 1e-5),
        // The last norm there takes no other ε.
        .fixed { $0.lastNormEpsilon = 1e-5 },
        // Zero and less is never.
        ForeignKey("rescale_every", \.halvingInterval, write: ForeignValue.count) { json, _ in
          Int(min(max(0, try json.number("rescale_every", default: 6)), 0x1p32))
        },
      ]
    ) { _, _ in
      var names = ForeignNames(
        embedding: "rwkv.embeddings.weight", embeddingNorm: "rwkv.blocks.0.pre_ln", norm: "rwkv.ln_out",
        head: "head.weight", layers: "rwkv.blocks.",
        parts: ["norm": "ln1", "mixer": "attention", "mlp_norm": "ln2", "mlp": "feed_forward"])
      for part in ["mixer", "mlp"] {
        for (ours, theirs) in ["k": "key", "v": "value", "r": "receptance"] {
          names.renamed["\(part).time_mix_\(ours)"] = "time_mix_\(theirs)"
        }
        names.shapeRows(["k", "v", "r"].map { "\(part).time_mix_" + $0 })
      }
      return names
    })
}
