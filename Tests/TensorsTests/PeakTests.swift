import CKernels
import RunnelKernels
import Testing

@Suite("the peaks of products count what they compute, in the instruction set of the program")
struct PeakTests {
  @Test("each sum of a round has its product added as often as there are rounds")
  func sums() {
    let rounds = 20_000, lanes = [4, 8, 16, 16][InstructionSet.current.rawValue]
    // x · 0.999 + 0.001 ends at 1.
    var numbers: [Float] = [0.999, 0.001, 0.5]
    runnel_peak_run(RUNNEL_PEAK_F32, rounds, &numbers)
    #expect(runnel_peak_operations(RUNNEL_PEAK_F32) == 2 * lanes * Int(numbers[2].rounded()))

    // As pairs of bf16, 1 is (0, 1).
    numbers = [1, 1, 0]
    runnel_peak_run(RUNNEL_PEAK_BF16, 1000, &numbers)
    #expect(runnel_peak_operations(RUNNEL_PEAK_BF16) == 2 * 32 * Int(numbers[2]) / 1000)

    // As bytes, it is (0, 0, 128, 63) unsigned and (0, 0, −128, 63) signed.
    numbers = [1, 1, 0]
    runnel_peak_run(RUNNEL_PEAK_INT8, 10, &numbers)
    #expect(runnel_peak_operations(RUNNEL_PEAK_INT8) == 2 * 64 * Int(numbers[2]) / 10 / (63 * 63 - 128 * 128))
  }

  @Test("a level without the instructions for bytes has no peak of them, nor of bf16")
  func missing() {
    let hasBytes = InstructionSet.current == .avx512VNNI
    #expect((RegisterProbe.int8 != nil) == hasBytes)
    #expect(hasBytes || RegisterProbe.bf16 == nil)
  }
}
