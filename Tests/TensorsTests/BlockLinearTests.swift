import RunnelReference
import RunnelTensors
import Testing

@Suite("blockLinear is the product with a block-diagonal matrix")
struct BlockLinearTests {
  @Test(arguments: [(1, 1, 3, 4), (5, 3, 4, 2), (70, 2, 33, 17)])
  func valueAndGradients(rows: Int, H: Int, K: Int, P: Int) {
    expectSame(
      [random([rows, H * K], seed: 1), random([H, K, P], seed: 2), random([H, P], seed: 3)],
      differentiated: rows < 10,
      { [blockLinear($0[0], $0[1], bias: $0[2])] },
      reference: { inputs in
        let (x, w, bias) = (inputs[0], inputs[1], inputs[2])
        return [
          (0..<rows * H * P).map { index in
            let (row, h, p) = (index / (H * P), index / P % H, index % P)
            return (0..<K).reduce(bias[h * P + p]) {
              $0 + x[row * H * K + h * K + $1] * w[(h * K + $1) * P + p]
            }
          }
        ]
      })
  }

  @Test("blocks of a checkpoint, output by input, joined", arguments: [1, 2, 6])
  func joinedBlocksAreTheirProducts(count: Int) {
    let (rows, N, p, k) = (5, 6, 2, 3)
    expectSame(
      [random([rows, N * k], seed: 1), random([N, p, k], seed: 2)], differentiated: true,
      { [blockLinear($0[0], joinedBlocks($0[1], count))] },
      reference: { inputs in
        [
          (0..<rows * N * p).map { index in
            let (row, n) = (index / (N * p), index / p % N)
            return (0..<k).reduce(0) {
              $0 + inputs[0][row * N * k + n * k + $1] * inputs[1][index % (N * p) * k + $1]
            }
          }
        ]
      })
  }
}
