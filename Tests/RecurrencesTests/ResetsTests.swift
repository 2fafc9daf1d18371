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

  @Test("a document's tokens are counted on from segment to segment, and anew behind a reset")
  func counts() {
    var now = [5, 6, 7]
    var stretches: [[Int]] = []
    Resets(rows: [[], [0, 3], [4]]).advance(&now, over: 8) { stretches.append([$0, $1]) }
    #expect(now == [13, 5, 4])
    #expect(stretches == [[5, 8], [0, 3], [0, 5], [7, 4], [0, 4]])
    Resets.none.advance(&now, over: 0)
    #expect(now == [13, 5, 4])
  }
}
