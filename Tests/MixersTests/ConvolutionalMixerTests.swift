import Foundation
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
    _: Mixer.Type, length: Int, form: Form, frozen: Bool = false
  ) -> [ImpulseResponse] {
    var generator = SeededGenerator(seed: 3)
    let mixer = Mixer(Mixer.Configuration(width: 6), using: &generator)
    return (frozen ? mixer.frozen() : mixer).impulseResponses(length: length, form: form)
  }

  @Test func `the kernel is what an impulse gives by steps`() {
    for mixer in Self.convolutional {
      for length in [1, 2, 300] {
        let kernels = responses(mixer, length: length, form: .parallel)
        for (other, what) in [
          (responses(mixer, length: length, form: .step), "step"),
          (responses(mixer, length: length, form: .mix), "mix"),
          (responses(mixer, length: length, form: .parallel, frozen: true), "frozen"),
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

  private func fits(_ mixer: some ConvolutionalMixer, length L: Int) -> [DiagonalRealization.Fit] {
    let kernel = mixer.impulseResponses(length: L, form: .parallel)[0].kernel.scalars.map(Double.init)
    return DiagonalRealization.fit(
      (0..<kernel.count / L).map { Array(kernel[$0 * L..<($0 + 1) * L]) }, tolerance: 1e-6, maxStates: 64)
  }

  @Test func `kernels of S4D and S4 become recurrences of no more states`() {
    var generator = SeededGenerator(seed: 5)
    let s4d = S4D(S4D.Configuration(width: 6, stateSize: 16), using: &generator)
    let s4 = S4(S4.Configuration(width: 6, stateSize: 16), using: &generator)
    for fit in fits(s4d, length: 1024) + fits(s4, length: 1024) {
      #expect(fit.error <= 1e-6 && fit.realization.states <= 16, "\(fit.error), \(fit.realization.states)")
    }
  }
}
