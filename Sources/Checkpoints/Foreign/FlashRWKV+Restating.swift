/// RWKV-6 and 7 with one ε for all norms, as flash-linear-attention's families have it: values in another unit.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension LanguageModel {
  /// The families have one ε for all norms, the authors' models another for that of the heads. Where values are c times
  /// as large, heads are too, and a norm with c² times the ε gives the same.
  func withValuesForNorm6() throws -> LanguageModel {
    guard let mixer = configuration.first(RWKV6.self) else { return self }
    let epsilon = configuration.normEpsilon
    return try withValues(scaled: mixer.groupNormEpsilon, to: epsilon) {
      configuration.changing(RWKV6.self) { $0.groupNormEpsilon = epsilon }
    }
  }

  /// The same, with what weighs a token's own value divided by c, since that stands behind the norm.
  func withValuesForNorm7() throws -> LanguageModel {
    guard let mixer = configuration.first(RWKV7.self) else { return self }
    let epsilon = ForeignConfiguration.headNormEpsilon(
      Double(configuration.normEpsilon.description) ?? 0, width: mixer.headWidth)
    return try withValues(scaled: mixer.groupNormEpsilon, to: epsilon) {
      configuration.changing(RWKV7.self) { $0.groupNormEpsilon = epsilon }
    }
  }

  private func withValues(
    scaled old: Float, to new: Float, _ configuration: () -> ModelConfiguration
  ) throws -> LanguageModel {
    guard old != new, old > 0, new > 0 else { return self }
    var scale = (Double(new) / Double(old)).squareRoot()
    // A power of two changes no digit of a value: 64 · 10⁻⁵, which is in no float, becomes 10⁻⁵ by 1/8.
    for power in [scale.binade, 2 * scale.binade] where abs(scale / power - 1) < 1e-6 { scale = power }
    return try restated(configuration()) { parameter in
      if parameter.name.hasSuffix(".mixer.value.weight") { return Float(scale) * parameter.value }
      if parameter.name.hasSuffix(".mixer.r_k") { return Float(1 / scale) * parameter.value }
      return parameter.value
    }
  }
}
