/// What the fused scans share: sixteen channels in the lanes, stretches between resets, states kept at chunk starts.

import CKernels
import RunnelKernels
import RunnelTensors

/// A scan over [B T E] channels with `memory` floats of state each.
struct LaneScan: Sendable {
  let batch: Int
  let steps: Int
  let channels: Int
  let memory: Int
  let chunk: Int
  let stretches: [[Resets.Stretch]]
  static let lanes = 16

  init(shape: Shape, memory: Int, chunk: Int, resets: Resets) {
    (batch, steps, channels) = (shape[0], shape[1], shape[2])
    self.memory = memory
    self.chunk = chunk
    let steps = steps
    stretches = (0..<batch).map { resets.stretches(row: $0, length: steps) }
  }

  private var blocks: Int { (channels + Self.lanes - 1) / Self.lanes }
  /// Floats of one block's state in lanes.
  var laneRow: Int { memory * Self.lanes }
  private func chunks(_ range: Range<Int>) -> Int { (range.count + chunk - 1) / chunk }
  private var chunksPerRow: Int {
    stretches.map { $0.reduce(0) { $0 + chunks($1.range) } }.max() ?? 0
  }

  /// Room for the states at every chunk's start.
  func makeStarts() -> Storage { Storage(capacity: max(1, batch * blocks * chunksPerRow * laneRow)) }

  struct Block {
    let row: Int
    /// The first channel and the number of channels.
    let first: Int
    let width: Int
    let range: Range<Int>
  }

  /// Calls `body` with each block and stretch in order of time; `state` is [B E memory].
  func forward(
    state: UnsafeMutablePointer<Float>, starts: Storage?, scratch size: Int,
    _ body: (
      Block, _ state: UnsafeMutablePointer<Float>, _ starts: UnsafeMutablePointer<Float>?,
      _ scratch: UnsafeMutablePointer<Float>
    ) -> Void
  ) {
    WorkerPool.shared.split(batch * blocks, grain: max(1, 128 / max(1, steps * memory / 16))) { items in
      let scratch = Storage(capacity: size)
      for item in items {
        let row = item / blocks, first = item % blocks * Self.lanes
        let width = min(Self.lanes, channels - first)
        let held = state + (row * channels + first) * memory
        var next = starts.map { $0.base + item * chunksPerRow * laneRow }
        for stretch in stretches[row] {
          if stretch.isFresh { held.update(repeating: 0, count: width * memory) }
          body(Block(row: row, first: first, width: width, range: stretch.range), held, next, scratch.base)
          next = next.map { $0 + chunks(stretch.range) * laneRow }
        }
      }
    }
  }

  /// How many groups of blocks one row is cut into; fixed, so that sums over channels do not depend on the threads.
  var groups: Int { min(blocks, 4) }

  /// Calls `chunkBody` for every block of every chunk, the last chunk first, with the state at its start and the
  /// gradient of the state in lanes; then `finished` once a chunk, after all blocks of the group.
  func backward(
    starts: Storage, dfinal: Tensor?, dinitial: UnsafeMutablePointer<Float>,
    makeScratch: () -> Storage,
    chunkBody: (
      Block, _ group: Int, _ start: UnsafePointer<Float>, _ dstate: UnsafeMutablePointer<Float>, Storage
    )
      -> Void,
    finished: (_ row: Int, _ group: Int, Range<Int>, Storage) -> Void
  ) {
    let total = chunksPerRow
    WorkerPool.shared.run(batch * groups) { item in
      let row = item / groups, group = item % groups
      let mine = blocks * group / groups..<blocks * (group + 1) / groups
      let scratch = makeScratch(), dstates = Storage(capacity: mine.count * laneRow)
      func width(_ block: Int) -> Int { min(Self.lanes, channels - block * Self.lanes) }
      for (i, block) in mine.enumerated() {
        let dstate = dstates.base + i * laneRow
        if let dfinal {
          runnel_to_lanes(
            width(block), memory, dfinal.base + (row * channels + block * Self.lanes) * memory, dstate)
        } else {
          dstate.update(repeating: 0, count: laneRow)
        }
      }
      var index = stretches[row].reduce(0) { $0 + chunks($1.range) }
      for stretch in stretches[row].reversed() {
        for piece in (0..<chunks(stretch.range)).reversed() {
          index -= 1
          let lower = stretch.range.lowerBound + piece * chunk
          let range = lower..<min(lower + chunk, stretch.range.upperBound)
          for (i, block) in mine.enumerated() {
            chunkBody(
              Block(row: row, first: block * Self.lanes, width: width(block), range: range), group,
              starts.base + ((row * blocks + block) * total + index) * laneRow, dstates.base + i * laneRow,
              scratch)
          }
          finished(row, group, range, scratch)
        }
        if stretch.isFresh { dstates.base.update(repeating: 0, count: mine.count * laneRow) }
      }
      for (i, block) in mine.enumerated() {
        runnel_from_lanes(
          width(block), memory, dstates.base + i * laneRow,
          dinitial + (row * channels + block * Self.lanes) * memory)
      }
    }
  }
}

/// One call of a recurrence that runs as a lane scan.
protocol LaneCall: Sendable {
  var plan: LaneScan { get }
  /// The definition, token by token.
  func step(state: inout Tensor) -> Tensor
  func scan(state: inout Tensor, starts: Storage?) -> Tensor
  func parallel(state: inout Tensor) -> Tensor
  /// What the tape keeps of the call: it gives the call again.
  var kept: @Sendable () -> Self { get }
  /// One gradient per operand, the state's last.
  func gradient(starts: Storage, dy: Tensor?, dfinal: Tensor?) -> [Tensor?]
}

extension LaneCall {
  var kept: @Sendable () -> Self { { self } }

  /// Where a channel at a time of a row stands in [B T E].
  func at(_ row: Int, _ time: Int, _ channel: Int = 0) -> Int {
    (row * plan.steps + time) * plan.channels + channel
  }

  /// Runs the form, and records it where one of `inputs` or the state is tracked.
  func run(_ form: Form, on inputs: [Tensor], state: inout Tensor) -> Tensor {
    func output(_ state: inout Tensor, _ starts: Storage?) -> Tensor {
      switch form {
      case .step: step(state: &state)
      case .mix: scan(state: &state, starts: starts)
      case .parallel: parallel(state: &state)
      }
    }
    guard state.isTracked || inputs.contains(where: \.isTracked) else {
      // A stream owns its state, which is then changed in place.
      return output(&state, nil)
    }
    let initial = state, starts = plan.makeStarts()
    if form != .mix {
      // There is one gradient for all forms, and it starts from the states that the scan meets.
      var copy = initial
      _ = scan(state: &copy, starts: starts)
    }
    var final = initial
    let y = output(&final, starts)
    let outputs = record([y, final], from: inputs + [initial]) { [kept] gradients in
      kept().gradient(starts: starts, dy: gradients[0], dfinal: gradients[1])
    }
    state = outputs[1]
    return outputs[0]
  }
}
