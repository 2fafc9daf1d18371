/// The instruction sets that the leaf loops are built for, and the one that this program runs in.

import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Each includes those before it: `avx2` is x86-64-v3, `avx512` is x86-64-v4.
public enum InstructionSet: Int, CaseIterable, Sendable, CustomStringConvertible {
  case portable, avx2, avx512, avx512VNNI

  /// The best of this machine.
  public static let best = InstructionSet(runnel_best_level())
  /// What the loops of this program run in: the best, or a lower one that the environment variable
  /// `RUNNEL_INSTRUCTIONS` named when the program began. OpenBLAS makes a choice of its own (`OPENBLAS_CORETYPE`).
  public static let current = InstructionSet(runnel_current_level())
  /// Those of this machine.
  public static var present: [InstructionSet] { allCases.filter { $0.rawValue <= best.rawValue } }
  /// The environment variable that chooses a lower set than the best.
  package static let variable = "RUNNEL_INSTRUCTIONS"

  /// As the environment variable names it: portable, avx2, avx512 or avx512-vnni.
  public var description: String { String(cString: runnel_level_name(runnel_level(UInt32(rawValue)))) }

  /// What is wrong with the environment variable, in a sentence; nil where it is absent, empty or one of `present`.
  package static var complaint: String? {
    guard let text = getenv(variable).map({ String(cString: $0) }), !text.isEmpty else { return nil }
    let names = present.map(\.description)
    if names.contains(text) { return nil }
    return
      "\(variable): \(text) is none of the instruction sets of this machine: \(names.joined(separator: ", "))"
  }

  private init(_ level: runnel_level) { self = InstructionSet(rawValue: Int(level.rawValue)) ?? .portable }
}
