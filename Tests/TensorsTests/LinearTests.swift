import RunnelReference
import RunnelTensors
import Testing

@Suite("linear is the matrix product, and its gradients are the central differences")
struct LinearTests {
  static func reference(_ x: [Double], _ w: [Double], _ b: [Double], rows: Int, inner: Int, out: Int)
    -> [Double]
  {
    (0..<rows * out).map { index in
      let (row, column) = (index / out, index % out)
      return (0..<inner).reduce(b[column]) { $0 + x[row * inner + $1] * w[column * inner + $1] }
    }
  }

  @Test(arguments: [(1, 5, 7), (3, 17, 33), (64, 16, 48)])
  func valueAndGradients(rows: Int, inner: Int, out: Int) {
    let x = random([rows, inner], seed: 1).tracked()
    let w = random([out, inner], seed: 2).tracked()
    let b = random([out], seed: 3).tracked()
    let sizes = [out / 3, out - out / 3]
    let parts = linear(x, w, bias: b, sizes: sizes)
    let expected = Self.reference(x.doubles, w.doubles, b.doubles, rows: rows, inner: inner, out: out)
    let seed = random([rows, out], seed: 4)

    var joined: [Double] = []
    var seeds: [[Float]] = [[], []]
    for row in 0..<rows {
      var start = 0
      for (i, size) in sizes.enumerated() {
        joined += parts[i].doubles[row * size..<(row + 1) * size]
        seeds[i] += seed.scalars[row * out + start..<row * out + start + size]
        start += size
      }
    }
    #expect(relativeError(joined, expected) < 1e-6)

    let gradient = gradients(
      of: zip(parts, seeds).map { ($0, Tensor($1, $0.shape)) }, for: [x, w, b])
    func loss(_ x: [Double], _ w: [Double], _ b: [Double]) -> Double {
      dot(Self.reference(x, w, b, rows: rows, inner: inner, out: out), seed.doubles)
    }
    guard rows < 10 else { return }
    let (xs, ws, bs) = (x.doubles, w.doubles, b.doubles)
    #expect(relativeError(gradient[0], centralDifferences(at: xs) { loss($0, ws, bs) }) < 1e-5)
    #expect(relativeError(gradient[1], centralDifferences(at: ws) { loss(xs, $0, bs) }) < 1e-5)
    #expect(relativeError(gradient[2], centralDifferences(at: bs) { loss(xs, ws, $0) }) < 1e-5)
  }

  @Test("product is x · W for a matrix stored [in out]", arguments: [(1, 5, 7), (4, 17, 3), (600, 130, 70)])
  func product(rows: Int, inner: Int, out: Int) {
    expectSame(
      [random([rows, inner], seed: 1), random([inner, out], seed: 2)], differentiated: rows < 10,
      { [RunnelTensors.product($0[0], $0[1])] },
      reference: { inputs in
        [
          (0..<rows * out).map { index in
            let (row, column) = (index / out, index % out)
            return (0..<inner).reduce(0) { $0 + inputs[0][row * inner + $1] * inputs[1][$1 * out + column] }
          }
        ]
      })
  }
}
