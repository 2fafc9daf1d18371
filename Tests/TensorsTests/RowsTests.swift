import RunnelReference
import RunnelTensors
import Testing

@Suite("rows of a tensor are part of it on the tape too")
struct RowsTests {
  /// They were once a constant whatever they were taken from, and training would have gone on without the gradient.
  @Test(arguments: [[5], [5, 1], [5, 3, 7]] as [Shape], [0..<5, 0..<1, 1..<4, 4..<5])
  func valueAndGradient(shape: Shape, range: Range<Int>) {
    let stride = shape.elements / 5
    expectSame([random(shape, seed: 1)]) {
      [$0[0].rows(range)]
    } reference: { inputs in
      [Array(inputs[0][range.lowerBound * stride..<range.upperBound * stride])]
    }
  }

  @Test("rows that overlap add their gradients, rows of rows are rows") func overlapping() {
    expectSame([random([6, 4], seed: 2)]) {
      [$0[0].rows(0..<4), $0[0].rows(1..<6).rows(1..<3)]
    } reference: { inputs in
      [Array(inputs[0][0..<16]), Array(inputs[0][8..<16])]
    }
  }

  @Test("no rows are none, and take no gradient") func empty() {
    let x = random([5, 3], seed: 1).tracked()
    let y = x.rows(2..<2)
    #expect(y.shape == [0, 3])
    #expect(
      gradients(of: [(y, Tensor(zeros: y.shape))], for: [x])[0].scalars == [Float](repeating: 0, count: 15))
  }

  @Test("rows that are written to leave the tensor as it was") func written() {
    let x = random([2, 2], seed: 1), before = x.scalars
    var y = x.rows(1..<2)
    y[0] = 9
    #expect(x.scalars == before && y.scalars == [9, before[3]])
  }
}
