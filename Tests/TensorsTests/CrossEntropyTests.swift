import RunnelReference
import RunnelTensors
import Testing

@Suite("cross-entropy is log Σ exp(z) − z[target], and its gradient softmax(z) − onehot(target)")
struct CrossEntropyTests {
  static func targets(_ rows: Int, _ vocabulary: Int) -> [Int32] {
    (0..<rows).map { $0 % 4 == 3 ? -1 : Int32(($0 * 7) % vocabulary) }
  }

  @Test(arguments: [(1, 1), (5, 63), (9, 65), (4, 256)])
  func valueAndGradient(rows: Int, vocabulary: Int) {
    let targets = Self.targets(rows, vocabulary)
    expectSame([random([rows, vocabulary], seed: 1, -8...8)], differentiated: vocabulary > 1) {
      [crossEntropy($0[0], targets: targets).mean]
    } reference: {
      [crossEntropyReference($0[0], targets: targets)[0]]
    }
    let logits = random([rows, vocabulary], seed: 1, -8...8)
    let losses = crossEntropy(logits, targets: targets).perToken
    #expect(relativeError(losses, crossEntropyReference(logits.doubles, targets: targets)[1]) < 1e-6)
  }

  @Test("the head in blocks of rows is the head and then the loss", arguments: [(1, 7, 5), (37, 12, 9)])
  func linearHead(rows: Int, vocabulary: Int, width: Int) {
    let targets = Self.targets(rows, vocabulary)
    let inputs = [
      random([rows, width], seed: 1), random([vocabulary, width], seed: 2), random([vocabulary], seed: 3),
    ]
    expectSame(inputs) {
      [linearCrossEntropy($0[0], $0[1], bias: $0[2], targets: targets).mean]
    } reference: { inputs in
      let logits = (0..<rows * vocabulary).map { i in
        let (row, token) = (i / vocabulary, i % vocabulary)
        return (0..<width).reduce(inputs[2][token]) {
          $0 + inputs[0][row * width + $1] * inputs[1][token * width + $1]
        }
      }
      return [crossEntropyReference(logits, targets: targets)[0]]
    }
  }

  @Test("several blocks of rows give the loss and the gradients of one") func severalBlocks() {
    let (rows, vocabulary, width) = (300, 20000, 3)
    let targets = Self.targets(rows, vocabulary)
    let inputs = [
      random([rows, width], seed: 1), random([vocabulary, width], seed: 2), random([vocabulary], seed: 3),
    ].map { $0.tracked() }
    let blocked = linearCrossEntropy(inputs[0], inputs[1], bias: inputs[2], targets: targets)
    let whole = crossEntropy(linear(inputs[0], inputs[1], bias: inputs[2]), targets: targets)
    #expect(relativeError(blocked.mean, whole.mean) < 1e-6)
    #expect(relativeError(blocked.perToken, whole.perToken) < 1e-6)
    let seed = Tensor([2.5], [])
    let pairs = zip(
      gradients(of: [(blocked.mean, seed)], for: inputs), gradients(of: [(whole.mean, seed)], for: inputs))
    for (a, b) in pairs { #expect(relativeError(a, b) < 1e-5) }
  }

  @Test("large logits neither overflow nor lose the loss") func largeLogits() {
    let mean = crossEntropy(Tensor([1e4, 0, -1e4, 0, 0, 1e4], [2, 3]), targets: [0, 0]).mean
    #expect(mean.scalar == 5000)
  }

  @Test("where every target is ignored the loss and its gradient are zero") func nothingToPredict() {
    let x = random([2, 3], seed: 1).tracked()
    let weight = random([4, 3], seed: 2).tracked()
    for mean in [
      crossEntropy(linear(x, weight), targets: [-1, -1]).mean,
      linearCrossEntropy(x, weight, targets: [-1, -1]).mean,
    ] {
      #expect(mean.scalar == 0)
      #expect(gradients(of: mean, for: [x])[0].scalars.allSatisfy { $0 == 0 })
    }
  }
}
