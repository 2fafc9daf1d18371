import Foundation
import RunnelKernels
import Testing

/// One way that this machine can compute: the loops of Runnel in an instruction set, OpenBLAS with the kernels of a kind of
/// processor, which make all products of portable loops and the factorisations of all.
struct Kernels: Sendable, CustomTestStringConvertible {
  let instructions: InstructionSet
  /// What OPENBLAS_CORETYPE takes.
  let core: String
  /// What that must have to run.
  let needed: InstructionSet

  var testDescription: String { "\(instructions) loops, OpenBLAS of \(core)" }

  /// All that this machine can run.
  static let present: [Kernels] = [
    Kernels(instructions: .portable, core: "Prescott", needed: .portable),
    Kernels(instructions: .portable, core: "Haswell", needed: .avx2),
    Kernels(instructions: .avx2, core: "Zen", needed: .avx2),
    Kernels(instructions: .avx512, core: "SkylakeX", needed: .avx512),
    Kernels(instructions: .avx512VNNI, core: "Haswell", needed: .avx512VNNI),
  ].filter { InstructionSet.present.contains($0.needed) }
}

/// The same binary of tests, started again for each way with what decides it in the environment, and with NaN in all memory that
/// nobody has written: one read of it and a law fails.
@Suite(
  "every law and every promise of bits holds in each instruction set, whatever OpenBLAS chooses", .serialized)
struct LevelsTests {
  /// The laws: operations, recurrences and mixers against Double, and what is promised to the bit.
  static let laws = [
    "TensorsTests", "RecurrencesTests", "MixersTests", "SessionBatchTests", "RegistryLawsTests",
    "AnswerTests",
  ]

  @Test(
    "laws and bits hold at every level, beside other kernels of OpenBLAS", arguments: Kernels.present)
  func laws(kernels: Kernels) throws {
    #if os(Linux) && arch(x86_64)
      let (text, code) = try run(
        Self.own, ["--testing-library", "swift-testing", "--filter", Self.laws.joined(separator: "|")],
        [
          InstructionSet.variable: "\(kernels.instructions)", "OPENBLAS_CORETYPE": kernels.core,
          "RUNNEL_POISON_MEMORY": "1",
        ])
      let faults = text.split(separator: "\n").filter { $0.contains("recorded an issue") }
      #expect(code == 0, "\(kernels.testDescription): \(faults.prefix(20).joined(separator: "\n"))")
      #expect(text.contains("passed after"), "no test ran: \(text.suffix(400))")
    #endif
  }

  @Test("a level that this machine has not is refused in a line that names those it has")
  func refused() throws {
    #if os(Linux)
      let tool = Self.own.deletingLastPathComponent().appendingPathComponent("runnel")
      let (text, code) = try run(tool, ["info", "--mixers"], [InstructionSet.variable: "fast"])
      #expect(
        code == 64 && text.contains("RUNNEL_INSTRUCTIONS: fast") && text.contains("portable"), "\(text)")
    #endif
  }

  @Test("training in bf16 is refused where the level has no instructions for it, in a line that says so")
  func bf16() throws {
    #if os(Linux) && arch(x86_64)
      let tool = Self.own.deletingLastPathComponent().appendingPathComponent("runnel")
      let (text, code) = try run(
        tool, ["bench", "train", "--mixer", "mamba", "--precision", "bf16"],
        [InstructionSet.variable: "portable"])
      #expect(code == 1 && text.contains("AVX512-BF16") && text.contains("portable"), "\(text)")
    #endif
  }

  /// The binary of these tests.
  private static var own: URL { URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath() }

  /// What a process printed, and its exit status.
  private func run(
    _ program: URL, _ arguments: [String], _ environment: [String: String]
  ) throws -> (String, Int32) {
    let child = Process(), output = Pipe()
    (child.executableURL, child.arguments) = (program, arguments)
    child.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    (child.standardOutput, child.standardError) = (output, output)
    try child.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    child.waitUntilExit()
    return (text, child.terminationStatus)
  }

  @Test("the level is the one that was asked for")
  func asked() {
    #expect(InstructionSet.present.contains(.current) && InstructionSet.present.contains(.portable))
    let text = ProcessInfo.processInfo.environment[InstructionSet.variable] ?? ""
    #expect(InstructionSet.current.description == (text.isEmpty ? InstructionSet.best.description : text))
  }
}
