import RunnelReference
import RunnelTensors
import Testing

@Suite("an embedding looks rows up, and its gradient adds them where they came from")
struct EmbeddingTests {
  @Test(arguments: [1, 7, 65])
  func valueAndGradient(width: Int) {
    let ids: [Int32] = [4, 0, 4, 2, 4, 0]
    expectSame([random([5, width], seed: 1)]) {
      [embedding($0[0], ids: ids, shape: [2, 3])]
    } reference: { inputs in
      [ids.flatMap { inputs[0][Int($0) * width..<Int($0 + 1) * width] }]
    }
  }

  @Test("no ids give no rows") func empty() {
    let table = random([5, 3], seed: 1).tracked()
    let y = embedding(table, ids: [], shape: [2, 0])
    #expect(y.shape == [2, 0, 3])
    #expect(
      gradients(of: [(y, Tensor(zeros: y.shape))], for: [table])[0].scalars
        == [Float](repeating: 0, count: 15))
  }

  @Test("an id outside the table stops the program") func range() async {
    await #expect(processExitsWith: .failure) {
      _ = embedding(Tensor(zeros: [5, 3]), ids: [5], shape: [1])
    }
  }
}
