/// What this machine can do, measured: the peaks that shares are shares of.

import CKernels

/// Multiplications and additions in registers alone, at the widest instructions of the level that this program runs at: the
/// limit of all products, what the time of other work is compared with, in turn with it.
package struct RegisterProbe: Sendable {
  /// In single precision.
  package static var f32: RegisterProbe { RegisterProbe(RUNNEL_PEAK_F32) }
  /// With the instructions for bf16, and for bytes; nil where this level has none.
  package static var bf16: RegisterProbe? { ifPresent(RUNNEL_PEAK_BF16) }
  package static var int8: RegisterProbe? { ifPresent(RUNNEL_PEAK_INT8) }

  private let kind: runnel_peak
  private let operationsOfRound: Int
  /// Pieces of about a tenth of a millisecond, so many for each thread that one that comes late costs little.
  private static let rounds = 1 << 14, piecesOfThread = 8

  private init(_ kind: runnel_peak) {
    self.kind = kind
    operationsOfRound = runnel_peak_operations(kind)
  }

  private static func ifPresent(_ kind: runnel_peak) -> RegisterProbe? {
    let probe = RegisterProbe(kind)
    return probe.operationsOfRound > 0 ? probe : nil
  }

  /// Multiplications and additions of one piece.
  private var operationsOfPiece: Int { operationsOfRound * Self.rounds }
  private var pieces: Int { Self.piecesOfThread * WorkerPool.shared.threads }
  /// Multiplications and additions of `run()`.
  package var operations: Int { pieces * operationsOfPiece }

  /// Computes on all threads of the pool.
  package func run() { WorkerPool.shared.run(pieces) { _ in runPiece() } }

  private func runPiece() {
    // A sum stays near 1: x · 0.999 + 0.001.
    var numbers: [Float] = [0.999, 0.001, 0.5]
    runnel_peak_run(kind, Self.rounds, &numbers)
  }

  /// The speed of all threads, in 10⁹ operations a second.
  package func speed() -> Double { 1e-9 * Double(operations) / Machine.fastest(of: 8, run) }

  /// The speed of one thread, in 10⁹ operations a second.
  package func speedOfThread() -> Double {
    1e-9 * Double(operationsOfPiece) / Machine.fastest(of: 8 * Self.piecesOfThread, runPiece)
  }
}

/// Memory to be read as fast as it can be: what the time of other reading is compared with, in turn with it.
package final class ReadProbe: Sendable {
  package let byteCount: Int
  private nonisolated(unsafe) let memory: UnsafeMutablePointer<Float>
  private let owner: LargePages
  private static let pieces = 64

  /// About `bytes` bytes, in the pages that weights are in.
  package init(byteCount bytes: Int) {
    let count = max(1, bytes / 4 / Self.pieces / 16) * Self.pieces * 16
    byteCount = 4 * count
    let (memory, owner) = LargePages.allocate(byteCount: byteCount)
    self.memory = memory.bindMemory(to: Float.self, capacity: count)
    self.owner = owner
    self.memory.initialize(repeating: 1, count: count)
  }

  /// Reads all of it on the pool.
  package func read() {
    let size = byteCount / 4 / Self.pieces
    WorkerPool.shared.run(Self.pieces) { piece in
      let start = memory + piece * size
      // Squares are summed only so that nothing can be left out.
      if runnel_dot(size, start, start) < 0 { start[0] = 0 }
    }
  }
}

/// A large product in single precision by OpenBLAS: what the time of other products is compared with, in turn with it.
package final class SquareProbe: Sendable {
  private static let n = 1024
  /// Multiplications and additions of the product.
  package static var operations: Int { 2 * n * n * n }
  private nonisolated(unsafe) let memory: UnsafeMutablePointer<Float>

  package init() {
    let count = 3 * Self.n * Self.n
    memory = .allocate(capacity: count)
    for i in 0..<count { memory[i] = Float(i % 7) - 3 }
  }
  deinit { memory.deallocate() }

  package func multiply() {
    let n = Self.n
    let pieces = 8, rows = n / pieces
    WorkerPool.shared.run(pieces) { piece in
      let first = piece * rows * n
      Gemm.blas(
        m: rows, n: n, k: n, MatrixView(memory + first, rowStride: n),
        MatrixView(memory + n * n, rowStride: n), into: memory + 2 * n * n + first, rowStride: n)
    }
  }
}
