import RunnelReference
import RunnelTensors
import Testing

/// Products of a vector of each of many streams: what a stream gets must not depend on who steps beside it.
@Suite("a token in company is multiplied as it is alone, bit for bit")
struct StepProductTests {
  static let companies = [2, 3, 4, 7, 16, 33]

  /// Holds `operation` on [B 1 D] against itself on each row, and against `reference` in Double.
  static func expectAlone(
    width: Int, _ what: String, _ operation: (Tensor) -> Tensor, reference: ([Double]) -> [Double]
  ) {
    let rows = companies.max() ?? 1
    let x = random([rows, 1, width], seed: 5), values = x.scalars
    let alone = (0..<rows).map {
      operation(Tensor(Array(values[$0 * width..<($0 + 1) * width]), [1, 1, width]))
    }
    let exact = (0..<rows).flatMap { reference(values[$0 * width..<($0 + 1) * width].map(Double.init)) }
    #expect(relativeError(alone.flatMap(\.doubles), exact) < 1e-6, "\(what)")
    for company in companies {
      let together = operation(Tensor(Array(values[..<(company * width)]), [company, 1, width]))
      #expect(together.scalars == alone.prefix(company).flatMap(\.scalars), "\(what), \(company) at once")
    }
  }

  /// Widths of both sides: of thin matrices, and of those whose work is split.
  static let sizes = [(5, 7), (64, 160), (160, 64), (33, 1030), (1030, 33), (300, 513)]

  @Test("by a matrix [out in], in numbers", arguments: sizes)
  func linear(inner: Int, out: Int) {
    let w = random([out, inner], seed: 1), bias = random([out], seed: 2)
    Self.expectAlone(width: inner, "linear") {
      RunnelTensors.linear($0, w, bias: bias)
    } reference: {
      LinearTests.reference($0, w.doubles, bias.doubles, rows: 1, inner: inner, out: out)
    }
  }

  @Test("by a matrix [in out], in numbers, as RWKV keeps those of low rank", arguments: sizes)
  func product(inner: Int, out: Int) {
    let w = random([inner, out], seed: 1)
    Self.expectAlone(width: inner, "product") {
      RunnelTensors.product($0, w)
    } reference: { x in
      let w = w.doubles
      return (0..<out).map { column in (0..<inner).reduce(0) { $0 + x[$1] * w[$1 * out + column] } }
    }
  }

  @Test(
    "by the blocks of a block-diagonal matrix",
    arguments: [(1, 5, 7), (5, 32, 192), (4, 33, 9), (8, 130, 140)])
  func blocks(heads: Int, inner: Int, out: Int) {
    let w = random([heads, inner, out], seed: 1), bias = random([heads, out], seed: 2)
    Self.expectAlone(width: heads * inner, "blockLinear") {
      blockLinear($0, w, bias: bias)
    } reference: { x in
      let (w, b) = (w.doubles, bias.doubles)
      return (0..<heads * out).map { i in
        let (h, column) = (i / out, i % out)
        return (0..<inner).reduce(b[i]) { $0 + x[h * inner + $1] * w[(h * inner + $1) * out + column] }
      }
    }
  }
}
