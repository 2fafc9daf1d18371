import RunnelTensors
import Testing

@Suite("resets cut a segment into stretches of one memory each")
struct ResetsTests {
  @Test func stretchesCoverTheSegment() {
    let resets = Resets(rows: [[], [0, 3, 7]])
    #expect(resets.stretches(row: 0, length: 8) == [.init(range: 0..<8, isFresh: false)])
    #expect(
      resets.stretches(row: 1, length: 8) == [
        .init(range: 0..<3, isFresh: true), .init(range: 3..<7, isFresh: true),
        .init(range: 7..<8, isFresh: true),
      ])
    #expect(resets.within(3..<8).rows == [[], [0, 4]])
  }
}
