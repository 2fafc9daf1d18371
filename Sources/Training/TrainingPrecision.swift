/// What the products of training are made in.

import RunnelKernels

/// The precision of a training step's products with weight matrices, forwards and backwards. Weights, what the optimiser keeps of
/// them, states, decays, norms, sums and the loss are single precision in either.
public enum TrainingPrecision: String, Codable, Sendable, CaseIterable {
  /// Single precision.
  case f32
  /// Both factors of a product rounded to bf16 (Kalamkar et al. 2019, arXiv:1905.12322), sums in single precision. Where the machine
  /// has instructions for that.
  case bf16

  var products: ProductPrecision { self == .f32 ? .f32 : .bf16 }

  /// Throws ``TrainingError`` where this machine cannot do it.
  func requireMachine() throws {
    guard self == .f32 || Gemm.hasBF16 else {
      throw TrainingError(
        "precision bf16 takes a processor with AVX512-BF16, and this one computes with \(InstructionSet.current); take f32"
      )
    }
  }
}
