import Foundation
import RunnelKernels
import Testing

/// One way that this machine can compute: the loops of Runnel in an instruction set, OpenBLAS with the kernels of a kind of
/// processor.
struct Kernels: Sendable, CustomTestStringConvertible {
  let instructions: InstructionSet
  /// What OPENBLAS_CORETYPE takes, and what it must have to run.
  let core: String

  var testDescription: String { "\(instructions) loops, OpenBLAS of \(core)" }

  /// All that this machine can run. Each kind of OpenBLAS is met with the loops that a processor of its time has.
  static let present: [Kernels] = [
    Kernels(instructions: .portable, core: "Prescott"),
    Kernels(instructions: .avx2, core: "Haswell"), Kernels(instructions: .avx2, core: "Zen"),
    Kernels(instructions: .avx512, core: "SkylakeX"), Kernels(instructions: .avx512VNNI, core: "Haswell"),
  ].filter { InstructionSet.present.contains($0.instructions) }
}

/// The same binary of tests, started again for each way with what decides it in the environment.
@Suite(
  "every law and every promise of bits holds in each instruction set, whatever OpenBLAS chooses", .serialized)
struct LevelsTests {
  /// The laws: operations, recurrences and mixers against Double, and what is promised to the bit.
  static let laws = [
    "TensorsTests", "RecurrencesTests", "MixersTests", "SessionBatchTests", "RegistryLawsTests",
    "AnswerTests",
  ]

  @Test(arguments: Kernels.present)
  func laws(kernels: Kernels) throws {
    #if os(Linux) && arch(x86_64)
      let child = Process(), output = Pipe()
      child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      child.arguments = ["--testing-library", "swift-testing", "--filter", Self.laws.joined(separator: "|")]
      child.environment = ProcessInfo.processInfo.environment.merging([
        InstructionSet.variable: "\(kernels.instructions)", "OPENBLAS_CORETYPE": kernels.core,
      ]) { $1 }
      (child.standardOutput, child.standardError) = (output, output)
      try child.run()
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      child.waitUntilExit()
      let faults = text.split(separator: "\n").filter {
        $0.contains("recorded an issue") || $0.contains("rror:")
      }
      #expect(
        child.terminationStatus == 0,
        "\(kernels.testDescription): \(faults.prefix(20).joined(separator: "\n"))")
      #expect(
        text.contains("tests passed") || text.contains("passed after"), "no test ran: \(text.suffix(400))")
    #endif
  }

  @Test("the level is the one that was asked for")
  func asked() {
    #expect(InstructionSet.present.contains(.current) && InstructionSet.present.contains(.portable))
    let text = ProcessInfo.processInfo.environment[InstructionSet.variable]
    #expect(text.map { InstructionSet.current.description == $0 } ?? (InstructionSet.current == .best))
  }
}
