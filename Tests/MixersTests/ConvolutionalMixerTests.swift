import RunnelMixers
import RunnelRecurrences
import RunnelTensors
import Testing

@Suite("a time-invariant mixer is a convolution")
struct ConvolutionalMixerTests {
  private static var convolutional: [any ConvolutionalMixer.Type] {
    Registry.mixers.compactMap { $0 as? any ConvolutionalMixer.Type }
  }

  @Test func `which mixers are convolutions`() {
    #expect(Self.convolutional.map { $0.name } == ["s4", "s4d", "s5", "lru", "h3"])
  }

  private func responses<Mixer: ConvolutionalMixer>(
    _: Mixer.Type, length: Int, form: Form
  ) -> [ImpulseResponse] {
    Mixer(Mixer.Configuration(width: 6), seed: 3).impulseResponses(length: length, form: form)
  }

  @Test func `the kernel is what an impulse gives by steps`() {
    for mixer in Self.convolutional {
      for length in [1, 2, 300] {
        let kernels = responses(mixer, length: length, form: .parallel)
        for (other, what) in [
          (responses(mixer, length: length, form: .step), "step"),
          (responses(mixer, length: length, form: .mix), "mix"),
        ] {
          #expect(kernels.map(\.name) == other.map(\.name))
          for (k, stepped) in zip(kernels, other) {
            #expect(
              k.kernel.shape == stepped.kernel.shape && k.kernel.shape[k.kernel.shape.rank - 1] == length)
            let error = zip(k.kernel.scalars, stepped.kernel.scalars).reduce(0.0) {
              $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
            }
            let size = k.kernel.scalars.reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect(size > 0 && error.squareRoot() <= 1e-5 * size.squareRoot(), "\(mixer.name), \(what)")
          }
        }
      }
    }
  }

  private func fits(
    _ mixer: some ConvolutionalMixer, length L: Int, _ precision: DiagonalRealization.Precision
  ) -> [DiagonalRealization.Fit] {
    let kernel = mixer.impulseResponses(length: L, form: .parallel)[0].kernel.scalars.map { Double($0) }
    return (0..<kernel.count / L).map {
      DiagonalRealization.fit(
        Array(kernel[$0 * L..<($0 + 1) * L]), tolerance: 1e-6, maxStates: 64, precision: precision)
    }
  }

  /// The eigenvectors of S4's first A, HiPPO-LegS, are conditioned like 2^(4N/3) (Gu et al. 2022, lemma 3.2), so its
  /// residues cancel; in 32 bits that costs more than the tolerance.
  @Test func `kernels of S4D and S4 become recurrences of no more states`() {
    let s4d = S4D(S4D.Configuration(width: 6) { $0.stateSize = 16 }, seed: 5)
    let s4 = S4(S4.Configuration(width: 6) { $0.stateSize = 16 }, seed: 5)
    for fit in fits(s4d, length: 4096, .single) + fits(s4, length: 4096, .double) {
      #expect(fit.error <= 1e-6 && fit.realization.states <= 16, "\(fit.error), \(fit.realization.states)")
    }
  }
}
