/// Products of matrices: kernels of our own where the level has some, else OpenBLAS, on one thread, split over our own pool.

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

  fileprivate var strides: (row: Int, column: Int) {
    transposition == .none ? (rowStride, 1) : (1, rowStride)
  }
  fileprivate func rows(from row: Int) -> UnsafePointer<Float> {
    base + (transposition == .none ? row * rowStride : row)
  }
  fileprivate func columns(from column: Int) -> UnsafePointer<Float> {
    base + (transposition == .none ? column : column * rowStride)
  }
}

/// What numbers are multiplied as; sums and results are single precision.
package enum ProductPrecision: Sendable {
  case f32
  /// Both operands rounded to bf16. Only where ``Gemm/hasBF16``.
  case bf16
}

package enum Gemm {
  /// Whether this machine, at its level, multiplies numbers in bf16.
  package static let hasBF16 = runnel_has_gemm_bf16() != 0

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

  /// c [m n] = alpha · a [m k] · b [k n] + beta · c + bias [n], on the calling thread.
  ///
  /// At a level with kernels of our own an element has the same bits in every product that it is part of. OpenBLAS, which
  /// computes at the others, takes other kernels for other shapes.
  package static func serial(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixView, _ b: MatrixView, beta: Float = 0,
    bias: UnsafePointer<Float>? = nil, into c: UnsafeMutablePointer<Float>, rowStride: Int,
    precision: ProductPrecision = .f32
  ) {
    guard m > 0, n > 0 else { return }
    let start = Profiler.isActive ? Profiler.now : nil
    let (aStep, bStep) = (a.strides, b.strides)
    var product = runnel_gemm(
      m: m, n: n, k: k, alpha: alpha, beta: beta, a: a.base, a_row: aStep.row, a_column: aStep.column,
      b: b.base, b_row: bStep.row, b_column: bStep.column, bias: bias, c: c, c_row: rowStride)
    if precision == .bf16 {
      precondition(hasBF16, "Gemm: this machine multiplies nothing in bf16")
      runnel_gemm_bf16(&product, room)
    } else if hasKernels {
      runnel_gemm(&product, room)
    } else {
      blas(m: m, n: n, k: k, alpha: alpha, a, b, beta: beta, bias: bias, into: c, rowStride: rowStride)
    }
    if let start { Profiler.addProduct(since: start) }
  }

  /// Whether the level has kernels of our own.
  package static let hasKernels = runnel_has_gemm() != 0

  /// What products on this thread work in, as long as the thread lives.
  private static var room: UnsafeMutableRawPointer {
    if let room = pthread_getspecific(roomKey) { return room }
    let room = OutOfMemory.allocate(Int(RUNNEL_GEMM_ROOM), alignment: 64)
    pthread_setspecific(roomKey, room)
    return room
  }
  private static let roomKey = {
    var key = pthread_key_t()
    pthread_key_create(&key) { free($0) }
    return key
  }()

  /// The same by OpenBLAS, in single precision.
  package static func blas(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixView, _ b: MatrixView, beta: Float = 0,
    bias: UnsafePointer<Float>? = nil, into c: UnsafeMutablePointer<Float>, rowStride: Int
  ) {
    useOneThread()
    if let bias {
      for row in 0..<m {
        let own = c + row * rowStride
        if beta == 0 { own.update(from: bias, count: n) } else { runnel_add_scaled(n, beta, bias, own, own) }
      }
    }
    cblas_sgemm(
      CblasRowMajor, a.transposition.blas, b.transposition.blas, blasint(m), blasint(n), blasint(k), alpha,
      a.base, blasint(a.rowStride), b.base, blasint(b.rowStride), bias == nil ? beta : 1, c,
      blasint(max(1, rowStride)))
  }

  /// The same on the whole pool: the longer side of `c` is split, so no sum is.
  package static func parallel(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixView, _ b: MatrixView, beta: Float = 0,
    bias: UnsafePointer<Float>? = nil, into c: UnsafeMutablePointer<Float>, rowStride: Int,
    precision: ProductPrecision = .f32
  ) {
    let block = blockLength(side: max(m, n), work: m * n * k)
    WorkerPool.shared.run((max(m, n) + block - 1) / block) { piece in
      let start = piece * block
      let length = min(block, max(m, n) - start)
      if m >= n {
        serial(
          m: length, n: n, k: k, alpha: alpha,
          MatrixView(a.rows(from: start), rowStride: a.rowStride, a.transposition), b, beta: beta, bias: bias,
          into: c + start * rowStride, rowStride: rowStride, precision: precision)
      } else {
        serial(
          m: m, n: length, k: k, alpha: alpha, a,
          MatrixView(b.columns(from: start), rowStride: b.rowStride, b.transposition), beta: beta,
          bias: bias.map { $0 + start }, into: c + start, rowStride: rowStride, precision: precision)
      }
    }
  }

  /// Rows or columns of a block that is worth handing out, and large enough that copying its operands is paid for.
  ///
  /// With our own kernels the blocks change no bit, so that there are as many as there are threads to keep busy. With
  /// OpenBLAS, whose kernels for small products round differently, they depend on the shape alone.
  private static func blockLength(side: Int, work: Int) -> Int {
    let wanted =
      hasKernels ? max(WorkerPool.shared.threads, min(2 * WorkerPool.shared.threads, side / 128)) : 8
    let pieces = min(wanted, work >> 22)
    guard pieces > 1, side >= 32 else { return max(1, side) }
    // Whole multiples of sixteen, the width of the micro-kernels.
    return ((side + pieces - 1) / pieces + 15) & ~15
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
