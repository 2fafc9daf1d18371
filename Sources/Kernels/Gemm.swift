/// Products of matrices on OpenBLAS, which is kept single-threaded and split over our own pool.

import CKernels
import COpenBLAS

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

package enum Transposition: Sendable {
  case none, transposed
  fileprivate var blas: CBLAS_TRANSPOSE { self == .none ? CblasNoTrans : CblasTrans }
}

/// A matrix in memory: its first element and the distance between its rows.
package struct MatrixView {
  package let base: UnsafePointer<Float>
  package let rowStride: Int
  package let transposition: Transposition

  package init(_ base: UnsafePointer<Float>, rowStride: Int, _ transposition: Transposition = .none) {
    self.base = base
    self.rowStride = max(1, rowStride)
    self.transposition = transposition
  }

  fileprivate func rows(from row: Int) -> UnsafePointer<Float> {
    base + (transposition == .none ? row * rowStride : row)
  }
  fileprivate func columns(from column: Int) -> UnsafePointer<Float> {
    base + (transposition == .none ? column : column * rowStride)
  }
}

package enum Gemm {
  private static let singleThreaded: Void = {
    openblas_set_num_threads(1)
    takeBuffers()
  }()

  /// OpenBLAS takes 128 MiB of address space for every thread that computes, and where there is none it asks again for ever. So
  /// there must be room for all of them, and they are made now, before something else is in their place. They stay for its routines.
  private static func takeBuffers() {
    // It fails where more are asked for than it was built to hold; Debian's build is for 64 threads.
    let threads = min(32, WorkerPool.shared.threads)
    let rooms = (0..<threads).map { _ in OutOfMemory.allocate(129 << 20, alignment: 4096) }
    for room in rooms { free(room) }
    // No header has these two; a library without them is one that has no such buffers, or makes them later.
    guard let make = dlsym(nil, "blas_memory_alloc"), let give = dlsym(nil, "blas_memory_free") else {
      return
    }
    let allocate = unsafeBitCast(make, to: (@convention(c) (CInt) -> UnsafeMutableRawPointer?).self)
    let release = unsafeBitCast(give, to: (@convention(c) (UnsafeMutableRawPointer?) -> Void).self)
    let buffers = (0..<threads).map { _ in allocate(0) }
    for buffer in buffers { release(buffer) }
  }

  /// The threads are ours; OpenBLAS must not start its own. To be called before each of its routines.
  static func useOneThread() { _ = singleThreaded }

  /// c [m n] = alpha · a [m k] · b [k n] + beta · c, on the calling thread.
  package static func serial(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixView, _ b: MatrixView, beta: Float = 0,
    into c: UnsafeMutablePointer<Float>, rowStride: Int
  ) {
    guard m > 0, n > 0 else { return }
    _ = singleThreaded
    let start = Profiler.isActive ? Profiler.now : nil
    cblas_sgemm(
      CblasRowMajor, a.transposition.blas, b.transposition.blas, blasint(m), blasint(n), blasint(k), alpha,
      a.base, blasint(a.rowStride), b.base, blasint(b.rowStride), beta, c, blasint(max(1, rowStride)))
    if let start { Profiler.addProduct(since: start) }
  }

  /// The same on the whole pool: the longer side of `c` is split, so no sum is.
  ///
  /// The blocks depend on the shape alone, on one thread too: OpenBLAS takes other kernels for small products, whose
  /// sums round differently, so blocks cut by the number of threads would make results depend on it.
  package static func parallel(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixView, _ b: MatrixView, beta: Float = 0,
    into c: UnsafeMutablePointer<Float>, rowStride: Int
  ) {
    // A block is worth handing out, and large enough that packing its operands is paid for.
    let side = max(m, n), pieces = min(8, (m * n * k) >> 22)
    guard pieces > 1, side >= 32 else {
      return serial(m: m, n: n, k: k, alpha: alpha, a, b, beta: beta, into: c, rowStride: rowStride)
    }
    // Whole multiples of sixteen, the width of the micro-kernels.
    let block = ((side + pieces - 1) / pieces + 15) & ~15
    WorkerPool.shared.run((side + block - 1) / block) { piece in
      let start = piece * block
      let length = min(block, side - piece * block)
      if m >= n {
        serial(
          m: length, n: n, k: k, alpha: alpha,
          MatrixView(a.rows(from: start), rowStride: a.rowStride, a.transposition), b, beta: beta,
          into: c + start * rowStride, rowStride: rowStride)
      } else {
        serial(
          m: m, n: length, k: k, alpha: alpha, a,
          MatrixView(b.columns(from: start), rowStride: b.rowStride, b.transposition), beta: beta,
          into: c + start, rowStride: rowStride)
      }
    }
  }

  /// y [rows] = w [rows columns] · x [columns]: memory-bound, so the rows are split as finely as the pool is fast.
  package static func vector(
    rows: Int, columns: Int, _ w: UnsafePointer<Float>, _ x: UnsafePointer<Float>, beta: Float = 0,
    into y: UnsafeMutablePointer<Float>
  ) {
    WorkerPool.shared.split(rows, grain: max(1, (1 << 16) / max(1, columns))) { range in
      runnel_gemv(
        range.count, columns, w + range.lowerBound * columns, x, beta, y + range.lowerBound)
    }
  }

  /// y [columns] = x [rows] · w [rows columns]: the sum of a column runs over the rows in their order, however the columns
  /// are split.
  package static func rowVector(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, _ w: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    let strip = 128
    WorkerPool.shared.split(
      (columns + strip - 1) / strip, grain: max(1, (1 << 16) / max(1, strip * rows))
    ) {
      let first = $0.lowerBound * strip
      runnel_gevm(
        rows, min(columns, $0.upperBound * strip) - first, columns, w + first, x, 0, y + first)
    }
  }
}
