/// Products of matrices against sums in Double, and what is promised of their bits.

import RunnelKernels
import RunnelReference
import RunnelTensors
import Testing

@Suite struct GemmTests {
  /// c = alpha a b + beta c + bias with a stored [k m] and b stored [n k] where they are transposed.
  struct Product: Sendable, CustomTestStringConvertible {
    var m, n, k: Int
    var a = Transposition.none, b = Transposition.none
    var alpha: Float = 1, beta: Float = 0
    var hasBias = false
    /// Columns of c's memory that are not c's.
    var margin = 0

    var testDescription: String { "\(m) × \(n) × \(k), \(a) \(b), \(alpha), \(beta), \(hasBias), \(margin)" }

    var left: Tensor { random(a == .none ? [m, k] : [k, m], seed: 1) }
    var right: Tensor { random(b == .none ? [k, n] : [n, k], seed: 2) }
    var old: Tensor { random([m, n + margin], seed: 3) }
    var bias: Tensor { random([n], seed: 4) }

    /// Rows and columns of c, all by default.
    func callAsFunction(
      _ precision: ProductPrecision = .f32, rows: Range<Int>? = nil, columns: Range<Int>? = nil,
      isParallel: Bool = false
    ) -> [Float] {
      let (left, right, bias) = (left, right, bias), rows = rows ?? 0..<m, columns = columns ?? 0..<n
      var c = old
      let (aStride, bStride) = (a == .none ? k : m, b == .none ? n : k), cStride = n + margin
      c.mutate { c in
        let views = (
          MatrixView(left.base + rows.lowerBound * (a == .none ? k : 1), rowStride: aStride, a),
          MatrixView(right.base + columns.lowerBound * (b == .none ? 1 : k), rowStride: bStride, b)
        )
        (isParallel ? Gemm.parallel : Gemm.serial)(
          rows.count, columns.count, k, alpha, views.0, views.1, beta,
          hasBias ? bias.base + columns.lowerBound : nil,
          c + rows.lowerBound * cStride + columns.lowerBound, cStride, precision)
      }
      return rows.flatMap { row in columns.map { c.base[row * cStride + $0] } }
    }

    func reference(_ rounded: (Float) -> Float = { $0 }) -> [Double] {
      let (x, y) = (left.scalars.map { Double(rounded($0)) }, right.scalars.map { Double(rounded($0)) })
      let (c, bias) = (old.doubles, bias.doubles)
      return (0..<m).flatMap { i in
        (0..<n).map { j in
          let sum = (0..<k).reduce(0.0) {
            $0 + x[a == .none ? i * k + $1 : $1 * m + i] * y[b == .none ? $1 * n + j : j * k + $1]
          }
          return Double(alpha) * sum + Double(beta) * c[i * (n + margin) + j] + (hasBias ? bias[j] : 0)
        }
      }
    }
  }

  /// One of everything that a kernel, a tile, a block or a copy could end at.
  static let sizes = [
    (1, 1, 1), (2, 3, 0), (1, 17, 5), (3, 16, 16), (5, 33, 31), (6, 15, 64), (7, 32, 33), (13, 48, 127),
    (14, 64, 64), (15, 31, 257), (16, 130, 129), (29, 300, 40), (64, 64, 64), (65, 257, 300), (100, 20, 1024),
    (130, 40, 513), (1024, 17, 9), (9, 1024, 12),
  ]
  static let products =
    sizes.flatMap { m, n, k in
      [Transposition.none, .transposed].flatMap { a in
        [Transposition.none, .transposed].map { Product(m: m, n: n, k: k, a: a, b: $0) }
      }
    } + [
      Product(m: 20, n: 50, k: 300, alpha: 0.5, beta: 1), Product(m: 20, n: 50, k: 300, beta: 0.25),
      Product(m: 20, n: 50, k: 600, b: .transposed, hasBias: true, margin: 3),
      Product(m: 3, n: 7, k: 0, beta: 1, hasBias: true),
      Product(m: 33, n: 35, k: 70, beta: 1, hasBias: true, margin: 1),
      Product(m: 30, n: 290, k: 20, alpha: -2, beta: 2, hasBias: true, margin: 5),
    ]

  @Test("a product is the sum of its numbers' products", arguments: products)
  func sums(product: Product) {
    #expect(relativeError(product().map(Double.init), product.reference()) < 1e-6)
    #expect(relativeError(product(isParallel: true).map(Double.init), product.reference()) < 1e-6)
  }

  @Test(
    "in bf16 it is that of rounded numbers, summed in single precision", .enabled(if: Gemm.hasBF16),
    arguments: products)
  func rounded(product: Product) {
    let reference = product.reference {
      let bits = $0.bitPattern
      return Float(bitPattern: (bits + 0x7fff + bits >> 16 & 1) & 0xffff_0000)
    }
    #expect(relativeError(product(.bf16).map(Double.init), reference) < 1e-6)
    #expect(relativeError(product(.bf16, isParallel: true).map(Double.init), reference) < 1e-6)
  }

  @Test("memory beside c stays, and c is not read where beta is 0")
  func margins() {
    for precision in Gemm.hasBF16 ? [ProductPrecision.f32, .bf16] : [.f32] {
      for (m, n, k) in Self.sizes {
        let (x, y) = (random([m, k], seed: 1), random([k, n], seed: 2))
        var c = Tensor(repeating: .nan, [m, n + 2])
        c.mutate {
          Gemm.serial(
            m: m, n: n, k: k, MatrixView(x.base, rowStride: k), MatrixView(y.base, rowStride: n), into: $0,
            rowStride: n + 2, precision: precision)
        }
        for row in 0..<m {
          #expect((0..<n).allSatisfy { c.base[row * (n + 2) + $0].isFinite }, "\(m) × \(n) × \(k)")
          #expect(
            c.base[row * (n + 2) + n].isNaN && c.base[row * (n + 2) + n + 1].isNaN, "\(m) × \(n) × \(k)")
        }
      }
    }
  }

  @Test(
    "with our own kernels an element has the same bits whatever is computed beside it",
    .enabled(if: Gemm.hasKernels),
    arguments: [
      Product(m: 70, n: 300, k: 700), Product(m: 70, n: 300, k: 120, a: .transposed),
      Product(m: 70, n: 300, k: 64, b: .transposed),
      Product(m: 300, n: 70, k: 33, a: .transposed, b: .transposed),
      Product(m: 70, n: 96, k: 1024, hasBias: true),
    ])
  func company(product: Product) {
    for precision in Gemm.hasBF16 ? [ProductPrecision.f32, .bf16] : [.f32] {
      let whole = product(precision)
      #expect(product(precision, isParallel: true) == whole)
      for (rows, columns) in [
        (0..<1, 0..<product.n), (3..<20, 5..<70), (60..<70, 63..<64), (1..<66, 16..<64),
      ] {
        let part = rows.flatMap { row in columns.map { whole[row * product.n + $0] } }
        #expect(product(precision, rows: rows, columns: columns) == part, "\(precision) \(rows) \(columns)")
      }
    }
  }
}
